import { versionText } from '../version.ts';
import { debugPages } from './debug/pages.ts';
import type { DebugView } from './debug/view.ts';
import type { Metrics } from './metrics.ts';
import type { Pages } from './page.ts';
import { type Readiness, readiness } from './ready.ts';

/** All pages of a control plane. */
export const pagesOf = (view: DebugView, metrics: Metrics, ready: () => Readiness): Pages => ({
  '/ready': readiness(ready),
  '/live': { help: 'Whether the process answers', probe: true, page: () => ({ body: 'alive\n' }) },
  '/metrics': { help: 'What is counted, for Prometheus', page: () => metrics.page() },
  '/version': { help: 'The version of this control plane, as istioctl reads it', page: () => ({ body: versionText }) },
  ...debugPages(view),
});
