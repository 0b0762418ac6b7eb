/** What is wrong with a Secret or a file of certificates, for who wrote it. */
export interface Fault {
  /** The field of the Secret's data, e.g. `ca-key.pem`; empty for the Secret as a whole. */
  readonly field: string;
  /** What was expected, what is there, and what to do. Never what the field holds. */
  readonly message: string;
  /** `error`: what was read is not in force. `warning`: it is, without the part. */
  readonly severity: 'error' | 'warning';
}

/** What was read, with warnings; or why it is not in force. */
export type Read<T> =
  | { readonly ok: true; readonly value: T; readonly faults: readonly Fault[] }
  | { readonly ok: false; readonly faults: readonly Fault[] };

/** Nothing could be read, for one reason. */
export const unread = (field: string, message: string): { readonly ok: false; readonly faults: readonly Fault[] } => ({
  ok: false,
  faults: [{ field, message, severity: 'error' }],
});
