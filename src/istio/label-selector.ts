import type { LabelSelector, LabelSelectorRequirement } from '../proto/generated/istio/mesh/v1alpha1.ts';
import { selects } from './object.ts';

type Labels = Readonly<Record<string, string>>;

function meets({ key = '', operator, values = [] }: LabelSelectorRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    default:
      return value === undefined;
  }
}

/** Whether a (valid) selector of Kubernetes' kind picks these labels; an empty one picks everything. */
export const picks = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector, labels: Labels): boolean =>
  selects(matchLabels, labels) && matchExpressions.every(requirement => meets(requirement, labels));
