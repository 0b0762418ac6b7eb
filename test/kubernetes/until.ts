import { until as resolved } from '../support/until.ts';

/** Waits until `condition` holds; its own text says what was waited for in vain. */
export const until = (condition: () => boolean | Promise<boolean>): Promise<boolean> =>
  resolved(condition.toString(), condition);
