import type { Calls, Shares } from './calls.ts';
import { sharesOf } from './calls.ts';

/** A step of the demo: what the VirtualService of reviews says now, and how its effect looks. */
export interface Step {
  readonly title: string;
  readonly http: string;
  /** Whether the last calls are as the step has them; `guests` are those of nobody in particular. */
  seen(guests: Shares, jason: Shares): boolean;
}

const to = (subset: string): string => `    - destination:
        host: reviews
        subset: ${subset}
`;

const all = (subset: 'v1' | 'v2', shares: Shares): boolean => shares[subset] === 1;

const allToV1: Step = {
  title: 'every call goes to v1',
  http: `  - route:
${to('v1')}`,
  seen: (guests, jason) => all('v1', guests) && all('v1', jason),
};

/** The steps, in order; after the last one comes the first. */
export const steps: readonly Step[] = [
  allToV1,
  {
    title: 'nine calls of ten go to v1, one to v2',
    http: `  - route:
${to('v1')}      weight: 90
${to('v2')}      weight: 10
`,
    seen: ({ v1, v2 }) => v1 + v2 === 1 && v2 > 0 && v2 < 0.3,
  },
  {
    title: 'jason goes to v2, everyone else to v1',
    http: `  - match:
    - headers:
        end-user:
          exact: jason
    route:
${to('v2')}  - route:
${to('v1')}`,
    seen: (guests, jason) => all('v1', guests) && all('v2', jason),
  },
  {
    title: 'four calls of ten fail, without reaching reviews',
    http: `  - fault:
      abort:
        httpStatus: 500
        percentage:
          value: 40
    route:
${to('v3')}`,
    seen: ({ v3, errors }) => v3 + errors === 1 && errors > 0.15 && errors < 0.65,
  },
  { ...allToV1, title: 'back to v1' },
];

/** The file of a step. */
export const fileOf = ({ http }: Step): string => `# Where calls to reviews go. Edit and save: it takes effect at once.
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
  namespace: default
spec:
  hosts:
  - reviews
  http:
${http}`;

/** Whether a step shows in the last calls of both kinds of users. */
export function isSeen(step: Step, calls: Calls): boolean {
  const [guests, jason] = [calls.last(60, ''), calls.last(20, 'jason')];
  return guests !== undefined && jason !== undefined && step.seen(sharesOf(guests), sharesOf(jason));
}
