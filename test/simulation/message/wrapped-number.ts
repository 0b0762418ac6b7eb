/** The number in a wrapper, or another one where there is no wrapper; a wrapper that holds nothing holds zero. */
export const wrappedNumber = (
  wrapper: { readonly value?: number | undefined } | undefined,
  otherwise: number,
): number => (wrapper ? (wrapper.value ?? 0) : otherwise);
