import type { Json, JsonObject } from '../unknown.ts';

/** How an Envoy counts, told in its bootstrap. */

/**
 * What of a statistic's name is a label of it. The names end with `;` what they are of (`cluster.outbound|80||web.shop.svc.cluster.local;.upstream_rq_total`),
 * which Envoy's own tags do not know: they would take a Service's namespace for a part of the metric's name. These are Istio's, but for those that only its own
 * filters need (tools/packaging/common/envoy_bootstrap.json).
 */
const tags: { readonly [name: string]: string } = {
  cluster_name: String.raw`^cluster(\.(.+);)`,
  http_conn_manager_prefix: String.raw`^http\.(((?:[_.[:digit:]\w]*|[_\[\]aAbBcCdDeEfF[:digit:]\w\:]*));\.)`,
  thread_name: String.raw`^server(\.(.+))\.watchdog`,
  tcp_prefix: String.raw`^tcp\.((.*?)\.)\w+?$`,
  response_code: String.raw`_rq(_(\d{3}))$`,
  response_code_class: String.raw`_rq(_(\dxx))$`,
  http_conn_manager_listener_prefix: String.raw`^listener(?=\.).*?\.http\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)`,
  listener_address: String.raw`^listener\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)`,
  mongo_prefix: String.raw`^mongo\.(.+?)\.(collection|cmd|cx_|op_|delays_|decoding_)(.*?)$`,
  authz_enforce_result: String.raw`rbac(\.(allowed|denied))`,
  authz_dry_run_action: String.raw`(\.istio_dry_run_(allow|deny)_)`,
  authz_dry_run_result: String.raw`(\.shadow_(allowed|denied))`,
};

/** Statistics by the beginnings and ends of their names, and by regular expressions. */
export interface StatsMatcher {
  readonly prefixes: readonly string[];
  readonly suffixes: readonly string[];
  readonly regexps: readonly string[];
}

/**
 * What is counted anyway where only some statistics are asked for, as with Istio (pkg/bootstrap: requiredEnvoyStatsMatcherInclusion…); and by the health of
 * the clusters `app/…` the kubelet is answered.
 */
const always: StatsMatcher = {
  prefixes: ['cluster_manager', 'listener_manager', 'server', 'cluster.xds-grpc', 'cluster.app/'],
  suffixes: ['rbac.allowed', 'rbac.denied', 'shadow_allowed', 'shadow_denied'],
  regexps: [String.raw`vhost\..*\.route\..*`],
};

const patterns = ({ prefixes, suffixes, regexps }: StatsMatcher): readonly JsonObject[] => [
  ...prefixes.map(prefix => ({ prefix })),
  ...suffixes.map(suffix => ({ suffix })),
  ...regexps.map(regex => ({ safe_regex: { regex } })),
];

/**
 * The fields of a bootstrap. Everything is counted unless only some statistics are asked for, but a cluster's traffic only once it has some: else the
 * statistics of a large mesh are most of what an Envoy holds. `buckets` are those of histograms, by the beginnings of their names.
 */
export const statsFields = (
  only: StatsMatcher | undefined,
  buckets: { readonly [prefix: string]: Json } = {},
): JsonObject => {
  const settings = Object.entries(buckets).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    stats_config: {
      use_all_default_tags: false,
      stats_tags: Object.entries(tags).map(([tag_name, regex]) => ({ tag_name, regex })),
      ...(only && { stats_matcher: { inclusion_list: { patterns: [...patterns(only), ...patterns(always)] } } }),
      ...(settings.length > 0 && {
        histogram_bucket_settings: settings.map(([prefix, of]) => ({ match: { prefix }, buckets: of })),
      }),
    },
    deferred_stat_options: { enable_deferred_creation_stats: true },
  };
};
