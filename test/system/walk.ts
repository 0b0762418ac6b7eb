/** Pods that the walk asks about. */
export interface Walked {
  /** Of details: stock Envoy. */
  readonly envoy: string;
  /** Of productpage: Istio's proxy with its agent. */
  readonly agent: string;
  readonly gateway: string;
}

/** A command of istioctl, word by word, and what it must print. */
export interface Step {
  readonly command: readonly string[];
  readonly prints: readonly RegExp[];
}

/** Who may ask details, so that there is a policy to be shown. */
export const viewer: object = {
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'details-viewer', namespace: 'default' },
  spec: {
    selector: { matchLabels: { app: 'details' } },
    rules: [{ from: [{ source: { principals: ['cluster.local/ns/default/sa/bookinfo-productpage'] } }] }],
  },
};

/** What whoever runs bookinfo under STRICT types to see that it is well, and where requests go. `manifest` is a file with bookinfo. */
export function walk({ envoy, agent, gateway }: Walked, manifest: string): readonly Step[] {
  const certificates = /^default +Cert Chain +ACTIVE +true .*\nROOTCA +CA +ACTIVE +true /m;
  /** Of a proxy, which subscribes to `types`. */
  const proxy = (pod: string, types: RegExp): readonly Step[] => [
    { command: ['ps', pod], prints: [/^Clusters Match\nListeners Match\nRoutes Match /] },
    {
      command: ['pc', 'cluster', pod],
      prints: [
        /^details\.default\.svc\.cluster\.local +9080 +v1 +outbound +EDS +details\.default/m,
        /^ +9080 +- +inbound +ORIGINAL_DST/m,
      ],
    },
    {
      command: ['pc', 'listener', pod],
      prints: [
        /^0\.0\.0\.0 +9080 +Trans: raw_buffer; App: http\/1\.1,h2c +Route: 9080/m,
        /^0\.0\.0\.0 +15001 +ALL +PassthroughCluster/m,
        /^0\.0\.0\.0 +15006 +Trans: tls; .*Addr: \*:9080 +Cluster: inbound\|9080\|\|/m,
      ],
    },
    {
      command: ['pc', 'route', pod, '--name', '9080'],
      prints: [/^9080 +reviews\.default\.svc\.cluster\.local:9080 +reviews.* +\/\* +reviews\.default/m],
    },
    {
      command: ['pc', 'endpoint', pod, '--cluster', 'outbound|9080|v2|reviews.default.svc.cluster.local'],
      prints: [/^10\.[\d.]+:9080 +HEALTHY +OK +outbound\|9080\|v2\|reviews\.default/m],
    },
    { command: ['pc', 'secret', pod], prints: [certificates] },
    {
      command: ['pc', 'all', pod],
      prints: [/^listener\/virtualInbound /m, /^route\/9080 /m, /^secret\/ROOTCA /m, /^endpoint\/10\./m],
    },
    {
      command: ['proxy-status', '--namespace', 'default'],
      prints: [new RegExp(`^${pod}\\.default +Kubernetes +istiod-.* ${types.source}$`, 'm')],
    },
  ];
  return [
    { command: ['version'], prints: [/^control plane version: \d+\.\d+\.\d+\ndata plane version: .*\(\d+ proxies\)/m] },
    { command: ['x', 'version'], prints: [/^control plane version: \d+\.\d+\.\d+\n/m] },
    { command: ['remote-clusters'], prints: [/^(Kubernetes +synced +istiod-\S+ +default\n?){2}/m] },
    // Without an agent the certificates come over ADS, too.
    ...proxy(envoy, /5 \(CDS,LDS,EDS,RDS,SDS\)/),
    ...proxy(agent, /4 \(CDS,LDS,EDS,RDS\)/),
    { command: ['ps', `${gateway}.istio-system`], prints: [/^Clusters Match\n/] },
    {
      command: ['pc', 'route', `${gateway}.istio-system`],
      prints: [/^http\.8080 +\*:8080 +\* +\/productpage +bookinfo\.default/m],
    },
    {
      command: ['x', 'internal-debug', `edsz?proxyID=${agent}.default`],
      prints: [/"clusterName": "outbound\|9080\|v2\|reviews\.default/],
    },
    { command: ['x', 'internal-debug', 'list'], prints: [/"syncz"/] },
    {
      command: ['x', 'describe', 'pod', envoy],
      prints: [
        /^ {3}Port: http 9080\/HTTP targets pod port 9080\nDestinationRule: details for "details"\n {3}Matching subsets: v1\n/m,
        /^RBAC policies: ns\[default\]-policy\[details-viewer\]-rule\[0\]\n/m,
        /^ {3}Workload mTLS mode: STRICT\nApplied PeerAuthentication:\n {3}default\.istio-system/m,
      ],
    },
    {
      command: ['x', 'describe', 'pod', agent],
      prints: [
        /^ {3}Pod Revision: default\n/m,
        /^Exposed on Ingress Gateway http:\/\/[\d.]+\nVirtualService: bookinfo\n/m,
      ],
    },
    {
      command: ['x', 'describe', 'svc', 'reviews'],
      prints: [
        /^VirtualService: reviews\n {3}Route to host "reviews" subset "v1" with weight 90%\n {3}Route to host "reviews" subset "v2" with weight 10%/m,
      ],
    },
    { command: ['x', 'authz', 'check', envoy], prints: [/^ALLOW +details-viewer\.default +1$/m] },
    { command: ['x', 'authz', 'check', agent], prints: [/^ACTION +AuthorizationPolicy +RULES\n$/] },
    {
      command: ['x', 'check-inject', envoy],
      prints: [/^istio-sidecar-injector +default .*✔.* Namespace label istio-injection=enabled matches/m],
    },
    {
      command: ['x', 'check-inject', '-n', 'istio-system', 'deploy/istiod'],
      prints: [/✘.* Pod has sidecar\.istio\.io\/inject=false label, preventing injection/],
    },
    {
      command: ['x', 'injector', 'list'],
      prints: [/^default +default +default: \d+/m, /^default +istio-sidecar-injector default /m],
    },
    // Of the sample's DestinationRules, which name subsets that nobody deployed.
    {
      command: ['analyze'],
      prints: [/\[IST0173\] \(DestinationRule default\/ratings\) The Subset v2-mysql /],
    },
    { command: ['x', 'precheck'], prints: [/No issues found when checking the cluster/] },
    { command: ['admin', 'log'], prints: [/^ads .* info +none$/m, /^kube /m] },
    {
      command: ['kube-inject', '-f', manifest],
      prints: [/^ +name: istio-proxy$/m, /^ +sidecar\.istio\.io\/status: /m],
    },
  ];
}
