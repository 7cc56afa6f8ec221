/**
 * The topic that writes go to: created if it is absent, verified, watched.
 * Owns its id, the leaders of its partitions, and what is wrong with it. What is wrong is named and nothing is read or written
 * until it is mended: a topic that was made anew under the same name is another log, whatever stands in it.
 */
import { Admin } from '@platformatic/kafka';
import { Failure, toFailure } from '../errors/failure.ts';
import type { KafkaConfig } from './config.ts';
import { type Connection, isKafkaError, kafkaAway, passingFrozen } from './connect.ts';

export interface TopicOptions {
  readonly config: KafkaConfig;
  readonly connection: Connection;
  /**
   * The id that this name must have, noted when the cluster began with it; undefined where none was noted yet. Asked until it
   * answers. @throws Failure when it cannot be known now
   */
  readonly knownId: () => Promise<string | undefined>;
  /** Notes the id of a topic that is right; the one that is noted, another where somebody was faster. @throws Failure */
  readonly noteId: (id: string) => Promise<string>;
  /** Where that is noted, for whoever has to take it away. */
  readonly noteName: string;
  readonly log: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
    error(fields: object, message: string): void;
  };
}

/** What is known of the topic once it was found right. */
export interface TopicView {
  readonly id: string;
  /** Node that leads each partition, by its number. */
  readonly leaders: readonly number[];
  /** Most bytes of a batch of records. */
  readonly batchBytesMax: number;
}

/** What the cluster noted of its topic cannot be read, or written, now. */
class NoteUnusable extends Failure {
  constructor(noteName: string, error: unknown) {
    const { message } = toFailure(error);
    super('unavailable', `the id of the topic of this cluster, ${noteName}, cannot be read or written: ${message}`, {
      cause: error,
      retryAfterSeconds: 1,
    });
  }
}

const lookEveryMs = 1_000;
/** Settings change rarely, and asking for them is not free. */
const verifyEveryMs = 60_000;
const configResourceTopic = 2;
const watchedSettings = [
  'retention.ms',
  'retention.bytes',
  'min.insync.replicas',
  'unclean.leader.election.enable',
  'max.message.bytes',
  'cleanup.policy',
] as const;

export class KafkaTopic {
  readonly #options: TopicOptions;
  readonly #admin: Admin;
  #view: TopicView | undefined;
  #problem: string | undefined;
  #isLost = false;
  #away: Failure | undefined;
  #toldAway: 'Kafka' | 'the bucket' | undefined;
  #expectedId: string | undefined;
  #verifiedAtMs = Number.NEGATIVE_INFINITY;
  #batchBytesMax = 0;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #stopped = false;

  constructor(options: TopicOptions) {
    this.#options = options;
    this.#admin = passingFrozen(new Admin(options.connection), options.connection.known);
  }

  /** Begins to watch; resolves after the first look, whatever it found. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.look(), lookEveryMs);
    this.#timer.unref();
    await this.look();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#looking;
    await this.#admin.close().catch(() => undefined);
  }

  get name(): string {
    return this.#options.config.topic;
  }

  /** The id that the topic must have; undefined until that is known. */
  get id(): string | undefined {
    return this.#expectedId;
  }

  /** Undefined until the topic was found right once. */
  get view(): TopicView | undefined {
    return this.#view;
  }

  /** Why nothing may be written to it or read from it, or the brokers cannot be asked; undefined when all is well. */
  get problem(): string | undefined {
    return this.#problem ?? this.#away?.message ?? (this.#view === undefined ? 'Kafka was not asked yet' : undefined);
  }

  /** The same where it is not merely that the brokers do not answer. */
  get fault(): string | undefined {
    return this.#problem;
  }

  /** The same where what was read so far is not to be gone on with: the topic is gone, or another one. Settings can be mended. */
  get loss(): string | undefined {
    return this.#isLost ? this.#problem : undefined;
  }

  /** @throws Failure `unavailable` that says what is wrong */
  check(): TopicView {
    const view = this.#view;
    if (this.#problem !== undefined) throw kafkaAway(this.#problem, undefined);
    if (view === undefined) throw this.#away ?? kafkaAway('it was not asked yet', undefined);
    return view;
  }

  /** Looks at the topic now; one look at a time. Never throws. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((error: unknown) => {
        const away = kafkaAway(`topic ${this.name} cannot be looked at`, error);
        if (!this.#stopped) this.#tellAway(error, away);
        this.#away = away;
      })
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  /** Once for each of the two that may be away, however the words change. */
  #tellAway(error: unknown, { message }: Failure): void {
    const what = error instanceof NoteUnusable ? 'the bucket' : 'Kafka';
    if (this.#toldAway === what) return;
    this.#toldAway = what;
    this.#options.log.warn({ error: message }, `${what} is away: the topic cannot be looked at`);
  }

  /** @throws NoteUnusable where the bucket cannot be asked */
  async #note<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      throw new NoteUnusable(this.#options.noteName, error);
    }
  }

  async #look(): Promise<void> {
    if (this.#stopped) return;
    this.#expectedId ??= await this.#note(this.#options.knownId);
    const found = await this.#find();
    const before = this.#problem;
    if (found === undefined) {
      this.#problem = `topic ${this.name} is not there any more`;
      this.#isLost = true;
    } else await this.#take(found);
    if (this.#away !== undefined) this.#options.log.info({}, 'the topic can be looked at again');
    this.#away = undefined;
    this.#toldAway = undefined;
    if (this.#problem === before) return;
    if (this.#problem === undefined) this.#options.log.info({ topic: this.name }, 'the topic is right again');
    else this.#options.log.error({ topic: this.name, problem: this.#problem }, 'the topic is not as it must be');
  }

  async #take({ id, leaders }: { readonly id: string; readonly leaders: readonly number[] }): Promise<void> {
    const { config, log, noteId } = this.#options;
    const wrongCount =
      leaders.length === config.partitions
        ? undefined
        : `topic ${this.name} has ${leaders.length} partitions, kafka.partitions is ${config.partitions}`;
    const wrongSettings = wrongCount === undefined ? await this.#verify() : undefined;
    this.#problem = wrongCount ?? wrongSettings;
    this.#isLost = false;
    if (this.#problem === undefined && this.#expectedId === undefined) {
      this.#expectedId = await this.#note(() => noteId(id));
      if (this.#expectedId === id)
        log.info({ topic: this.name, id }, 'writes of this cluster go to this topic from now on');
    }
    if (this.#expectedId !== undefined && this.#expectedId !== id) {
      this.#problem =
        `topic ${this.name} was made anew: its id is ${id}, that of the log of this cluster is ${this.#expectedId}. ` +
        `What the old one held and no block has is lost with it. To begin anew with this one stop every process that uses it, remove ${this.#options.noteName}, and start them again`;
      this.#isLost = true;
    }
    if (this.#problem !== undefined) return;
    this.#view = { id, leaders, batchBytesMax: this.#batchBytesMax };
  }

  /** The topic as it is, created where this cluster has none yet. */
  async #find(): Promise<{ id: string; leaders: number[] } | undefined> {
    const { config, log } = this.#options;
    const existing = await this.#metadata();
    if (existing !== undefined || this.#expectedId !== undefined) return existing;
    try {
      await this.#admin.createTopics({
        topics: [this.name],
        partitions: config.partitions,
        replicas: config.replicationFactor,
        configs: [
          { name: 'retention.ms', value: String(config.retention) },
          // The brokers may have another default, and what is too much is deleted however young it is.
          { name: 'retention.bytes', value: '-1' },
          { name: 'min.insync.replicas', value: String(config.minInsyncReplicas) },
          { name: 'unclean.leader.election.enable', value: 'false' },
          { name: 'cleanup.policy', value: 'delete' },
        ],
      });
      log.info({ topic: this.name, partitions: config.partitions }, 'created the topic');
    } catch (error) {
      if (!isKafkaError(error, 'TOPIC_ALREADY_EXISTS')) throw error;
    }
    const created = await this.#metadata();
    if (created === undefined) throw new Error('it was just created and is not known yet');
    return created;
  }

  async #metadata(): Promise<{ id: string; leaders: number[] } | undefined> {
    try {
      const { topics } = await this.#admin.metadata({ topics: [this.name], forceUpdate: true });
      const topic = topics.get(this.name);
      return topic === undefined ? undefined : { id: topic.id, leaders: topic.partitions.map(({ leader }) => leader) };
    } catch (error) {
      // The client says so in words alone.
      if (error instanceof Error && /^Unknown topic /.test(error.message)) return undefined;
      if (isKafkaError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) return undefined;
      throw error;
    }
  }

  /** Looks at the settings once in a while. @returns which of them is wrong */
  async #verify(): Promise<string | undefined> {
    if (performance.now() - this.#verifiedAtMs < verifyEveryMs && this.#problem === undefined) return undefined;
    const [described] = await this.#admin.describeConfigs({
      resources: [
        { resourceType: configResourceTopic, resourceName: this.name, configurationKeys: [...watchedSettings] },
      ],
    });
    const values = new Map(described?.configs.map(({ name, value }) => [name, value ?? '']));
    this.#batchBytesMax = Number(values.get('max.message.bytes') ?? 1_000_000);
    this.#verifiedAtMs = performance.now();
    return wrongSetting(this.name, values, this.#options.config);
  }
}

/** The first setting of a topic with which writes could be lost that were acknowledged. */
function wrongSetting(
  topic: string,
  values: ReadonlyMap<string, string>,
  { retention, minInsyncReplicas }: Pick<KafkaConfig, 'retention' | 'minInsyncReplicas'>,
): string | undefined {
  const has = (name: string): string => `topic ${topic} has ${name}=${values.get(name)}`;
  const retentionMs = Number(values.get('retention.ms'));
  if (values.get('cleanup.policy') !== 'delete') return `${has('cleanup.policy')}: it must be delete`;
  if (values.get('unclean.leader.election.enable') !== 'false') {
    return `${has('unclean.leader.election.enable')}: a replica that lacks writes could lead`;
  }
  if (!(Number(values.get('min.insync.replicas')) >= minInsyncReplicas)) {
    return `${has('min.insync.replicas')}, kafka.min-insync-replicas is ${minInsyncReplicas}`;
  }
  if (retentionMs !== -1 && !(retentionMs >= retention)) {
    return `${has('retention.ms')}, kafka.retention is ${retention} ms`;
  }
  const bytes = values.get('retention.bytes') || '-1';
  if (bytes !== '-1') return `${has('retention.bytes')}: it must be -1, else writes go before kafka.retention is over`;
  return undefined;
}
