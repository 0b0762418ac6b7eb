/** What is wrong with a text: leaves a recursive parser, and goes no further than `faultOf`. */
export class Fault extends Error {}

/** What a parser finds wrong; undefined where nothing is. */
export function faultOf(parse: () => void): string | undefined {
  try {
    parse();
    return undefined;
  } catch (fault) {
    if (fault instanceof Fault) return fault.message;
    throw fault;
  }
}
