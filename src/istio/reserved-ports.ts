/** The proxy's own ports: no app's, and what they are for (pilot-agent status: istioReservedPorts). */
export const reservedPorts: { readonly [port: string]: string } = {
  15000: "Envoy's admin pages",
  15001: 'captured outbound traffic',
  15004: 'debug pages',
  15006: 'captured inbound traffic',
  15008: 'tunnels',
  15020: 'the merged metrics themselves',
  15021: 'health of the proxy',
  15053: 'DNS',
  15090: "Envoy's metrics, which are merged anyway",
};
