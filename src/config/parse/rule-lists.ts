import type { Operation, Source } from '../../proto/generated/istio/security/v1beta1.ts';

/** The lists of a source and an operation of a policy's rule. One value of each must match, and none of the list that is called `not…`. */
export const sourceLists = [
  'principals',
  'requestPrincipals',
  'namespaces',
  'serviceAccounts',
  'trustDomains',
  'ipBlocks',
  'remoteIpBlocks',
] as const satisfies readonly (keyof Source)[];
export const operationLists = ['hosts', 'ports', 'methods', 'paths'] as const satisfies readonly (keyof Operation)[];

/** The name of the list of what is excepted from another. */
export const negated = <F extends string>(list: F): `not${Capitalize<F>}` =>
  `not${list.charAt(0).toUpperCase()}${list.slice(1)}` as `not${Capitalize<F>}`;

/** Lists, each with the one of its exceptions behind it. */
export const withNegated = <F extends string>(lists: readonly F[]): readonly (F | `not${Capitalize<F>}`)[] =>
  lists.flatMap(list => [list, negated(list)]);
