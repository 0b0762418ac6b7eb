import { Manifest } from '../../src/sources/manifest.ts';

/** A file after its texts, one after the other. */
export function file(...texts: readonly (string | Buffer)[]): Manifest {
  const manifest = new Manifest('a.yaml');
  for (const text of texts) manifest.update(Buffer.from(text as string));
  return manifest;
}

/** What is in force of it. */
export const keys = ({ contents }: Manifest): string => [...contents.objects.keys()].join(' ');

/** What is wrong with it, a line each. */
export const problems = ({ contents }: Manifest): string =>
  contents.problems
    .map(({ object, path, message, severity }) => `${severity} ${object} ${path}: ${message}`)
    .join('\n');

/** An object of it. */
export const value = ({ contents }: Manifest, key: string): Readonly<Record<string, unknown>> | undefined =>
  [...contents.objects.values()].find(found => found.key === key)?.object;

export const service = (name: string, port = 80) =>
  `apiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\n  namespace: shop\nspec:\n  ports:\n  - port: ${port}\n`;

export const routes = (spec: string) =>
  `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: shop}\nspec: ${spec}\n`;
