/**
 * What `status/buildinfo` says. `version` is the Prometheus version whose API is spoken, because clients such as Grafana
 * choose what they ask by it; `application` names who answers. `features` has Mimir's names, whose absence Grafana would
 * take for Prometheus.
 */
import packageFile from '../../package.json' with { type: 'json' };

const prometheusVersion = '3.15.0';

export const buildInfoJson = JSON.stringify({
  application: `Maru ${packageFile.version}`,
  version: prometheusVersion,
  revision: '',
  branch: '',
  buildUser: '',
  buildDate: '',
  goVersion: '',
  features: {
    ruler_config_api: 'false',
    alertmanager_config_api: 'false',
    query_sharding: 'false',
    federated_rules: 'false',
  },
});
