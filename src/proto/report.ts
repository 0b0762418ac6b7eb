/** A field, or the index or key of one of its items. */
export type Step = string | number;

/** Told of a fault: the way to it from the message, what is wrong, and the first minor version of Envoy 1 that takes it. */
export type Report = (path: readonly Step[], message: string, since?: number) => void;
