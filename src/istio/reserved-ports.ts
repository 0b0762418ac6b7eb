/** The proxy's own ports: no app's, and what they are for (pilot-agent status: istioReservedPorts). */
const reservedPorts: { readonly [port: string]: string } = {
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

/** `15090 is the proxy's own (Envoy's metrics, …)`; undefined for a port that an app can have. */
export const reserved = (port: number): string | undefined =>
  Object.hasOwn(reservedPorts, port) ? `${port} is the proxy's own (${reservedPorts[port]})` : undefined;
