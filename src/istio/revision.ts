/** What a control plane has beside others is called by its name and its revision: `istio`, `istio-canary`. */
export const inRevision = (name: string, revision: string): string =>
  revision === 'default' || !revision ? name : `${name}-${revision}`;
