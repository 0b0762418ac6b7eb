/** The decoded data of a Secret. */
export type SecretData = Readonly<Record<string, Uint8Array>>;

/** A field of a Secret as text; empty where there is none. */
export const textOf = (data: SecretData, field: string): string => Buffer.from(data[field] ?? []).toString('utf8');

/** Texts as the data of a Secret. */
export const encoded = (fields: Readonly<Record<string, string>>): SecretData =>
  Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, Buffer.from(text)]));

/** The data of a Secret as the API server has it: base64. */
export const inBase64 = (data: SecretData): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(data).map(([field, bytes]) => [field, Buffer.from(bytes).toString('base64')]));

/** The data of a Secret from what the API server has. */
export const fromBase64 = (data: Readonly<Record<string, string>>): SecretData =>
  Object.fromEntries(Object.entries(data).map(([field, text]) => [field, Buffer.from(text, 'base64')]));
