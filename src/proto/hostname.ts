/** A host name, or a wildcard (`*.example.com`), in the one form in which names are compared. */
export type Hostname = string & { readonly __brand: 'Hostname' };

/** A text with the letters of DNS names in small. Letters beyond ASCII stay: small forms of some are letters of other names. */
export const lowerCase = (text: string): string => text.replace(/[A-Z]+/g, letters => letters.toLowerCase());

/**
 * The one form in which host names are compared, as DNS compares them: in small letters, and without the dot that says that a name is complete.
 * A single label keeps the dot, since that alone tells it from the short name of a Service.
 */
export function hostname(text: string): Hostname {
  const small = lowerCase(text);
  return (/\.[^.]+\.$/.test(small) ? small.slice(0, -1) : small) as Hostname;
}
