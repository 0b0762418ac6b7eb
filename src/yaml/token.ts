export type TokenType =
  | 'scalar'
  | 'alias'
  | 'anchor'
  | 'tag'
  | 'directive'
  | 'document start'
  | 'document end'
  | 'block sequence start'
  | 'block mapping start'
  | 'block end'
  | 'block entry'
  | 'flow sequence start'
  | 'flow sequence end'
  | 'flow mapping start'
  | 'flow mapping end'
  | 'flow entry'
  | 'key'
  | 'value'
  | 'end';

/** A piece of YAML's structure. */
export interface Token {
  readonly type: TokenType;
  /** From 0. */
  readonly line: number;
  /** The text of a scalar, the name of an anchor, alias or directive, the handle of a tag. */
  readonly value: string;
  /** The suffix of a tag, the arguments of a directive. */
  readonly suffix: string;
  /** A scalar without quotes. */
  readonly plain: boolean;
}

/** Makes one. */
export const token = (type: TokenType, line: number, value = '', suffix = '', plain = false): Token => ({
  type,
  line,
  value,
  suffix,
  plain,
});
