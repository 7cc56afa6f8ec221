/**
 * The parameters of `rules`, checked as Prometheus checks them although there are no groups yet: a client's mistake shows now,
 * not on the day when there is a ruler. Facts: Prometheus 3.15 web/api/v1/api.go.
 */
import { invalidParameter, parseGoInteger, quoteGiven } from '../../libs/query-api/query-parameters.ts';
import type { RequestForm } from '../../libs/query-api/request-form.ts';

const boolTexts = new Set(['1', 't', 'true', '0', 'f', 'false']);
const int32Max = 2 ** 31 - 1;

/** @throws Failure `bad_data`. */
export function checkRulesParameters(form: RequestForm): void {
  const type = form.get('type').toLowerCase();
  if (!['', 'alert', 'record'].includes(type))
    throw invalidParameter('type', `not supported value ${quoteGiven(type)}`);
  const exclude = form.get('exclude_alerts').toLowerCase();
  if (exclude !== '' && !boolTexts.has(exclude)) {
    const reason = `strconv.ParseBool: parsing ${quoteGiven(exclude)}: invalid syntax`;
    throw invalidParameter('exclude_alerts', `error converting exclude_alerts: ${reason}`);
  }
  checkPage(form.get('group_limit'), form.get('group_next_token'));
}

function checkPage(limitText: string, token: string): void {
  if (limitText === '') {
    if (token === '') return;
    throw invalidParameter('group_next_token', 'group_limit needs to be present in order to paginate over the groups');
  }
  let limit: number;
  try {
    limit = parseGoInteger(limitText, 'ParseInt');
    if (limit > int32Max || limit < -int32Max - 1) {
      throw new Error(`strconv.ParseInt: parsing ${quoteGiven(limitText)}: value out of range`);
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalidParameter('group_limit', `group_limit needs to be a valid number: ${reason}`);
  }
  if (limit <= 0) throw invalidParameter('group_limit', 'group_limit needs to be greater than 0');
  if (token !== '') {
    throw invalidParameter('group_next_token', `invalid group_next_token '${token}'. were rule groups changed?`);
  }
}
