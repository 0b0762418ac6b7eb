import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** The version of this program. */
export const VERSION: string = version;

/** What this program says of its build, in the fields of istiod's BuildInfo: istioctl prints them, and Kiali reads the version. */
export const BUILD_INFO = Object.freeze({
  version: VERSION,
  revision: 'pilotlight',
  golang_version: `node ${process.version}`,
  status: 'Clean',
  tag: VERSION,
});

/** istiod's text at /version, which istioctl takes apart at its hyphens: version, revision, status. */
export const versionText = `${BUILD_INFO.version}-${BUILD_INFO.revision}-${BUILD_INFO.status}`;

/** Which replica this is: its pod, or else its machine. */
export const REPLICA: string = process.env['POD_NAME'] ?? hostname();

/** How istioctl is told which control plane answers: JSON. */
export const controlPlaneIdentifier = JSON.stringify({
  Component: 'istiod',
  ID: REPLICA,
  Info: BUILD_INFO,
});
