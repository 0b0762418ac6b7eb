import { join } from 'node:path';
import { type Node, SyntaxKind } from 'typescript/unstable/ast';
import * as is from 'typescript/unstable/ast/is';
import { API } from 'typescript/unstable/sync';

/** One small mistake in a file: the text between two offsets is replaced. */
export interface Mutant {
  /** Below the repository. */
  readonly file: string;
  readonly line: number;
  readonly start: number;
  readonly end: number;
  readonly before: string;
  readonly after: string;
}

const otherOperator: Readonly<Record<string, readonly string[]>> = {
  '&&': ['||'],
  '||': ['&&'],
  '===': ['!=='],
  '!==': ['==='],
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '+': ['-'],
  '-': ['+'],
  '*': ['/'],
  '+=': ['-='],
  '-=': ['+='],
};

const otherMethod: Readonly<Record<string, string>> = { some: 'every', every: 'some' };

/** Calls without which a list is longer, or in another order. */
const droppable = new Set(['filter', 'sort', 'toSorted', 'slice', 'reverse', 'toReversed']);

type Replace = (node: Node, ...by: readonly string[]) => void;

function mutate(node: Node, textOf: (node: Node) => string, replace: Replace): void {
  if (is.isBinaryExpression(node)) {
    const operator = textOf(node.operatorToken);
    // A sum of texts has no difference.
    const isText = operator === '+' && [node.left, node.right].some(side => /['"`]/.test(textOf(side)));
    if (!isText) replace(node.operatorToken, ...(otherOperator[operator] ?? []));
    if (operator === '??') replace(node, textOf(node.left));
  } else if (is.isIfStatement(node)) replace(node.expression, 'true', 'false');
  else if (is.isConditionalExpression(node)) replace(node, textOf(node.whenTrue), textOf(node.whenFalse));
  else if (is.isPrefixUnaryExpression(node) && node.operator === SyntaxKind.ExclamationToken)
    replace(node, textOf(node.operand));
  else if (is.isNumericLiteral(node)) replace(node, String(Number(textOf(node).replaceAll('_', '')) + 1));
  else if (node.kind === SyntaxKind.TrueKeyword) replace(node, 'false');
  else if (node.kind === SyntaxKind.FalseKeyword) replace(node, 'true');
  else if (is.isExpressionStatement(node)) replace(node, ';');
  else if (is.isContinueStatement(node) || is.isBreakStatement(node)) replace(node, ';');
  else if (is.isCallExpression(node) && is.isPropertyAccessExpression(node.expression)) {
    const { expression: on, name } = node.expression;
    const method = textOf(name);
    const other = otherMethod[method];
    if (other) replace(name, other);
    if (droppable.has(method)) replace(node, textOf(on));
  }
}

const isType = ({ kind }: Node): boolean =>
  (kind >= SyntaxKind.FirstTypeNode && kind <= SyntaxKind.LastTypeNode) ||
  kind === SyntaxKind.InterfaceDeclaration ||
  kind === SyntaxKind.TypeAliasDeclaration ||
  kind === SyntaxKind.ImportDeclaration;

/** Every mutant of some files, in the order of their text. */
export function mutantsOf(repository: string, files: readonly string[]): readonly Mutant[] {
  const api = new API({ cwd: repository });
  try {
    const [project] = api.updateSnapshot({ openProjects: [join(repository, 'tsconfig.json')] }).getProjects();
    return files.flatMap(file => {
      const source = project?.program.getSourceFile(join(repository, file));
      if (!source) throw new Error(`${file} is no file of the project`);
      const { text } = source;
      const found: Mutant[] = [];
      const startOf = (node: Node): number => node.getStart(source);
      const textOf = (node: Node): string => text.slice(startOf(node), node.end);
      const replace: Replace = (node, ...by) => {
        const [start, end, before] = [startOf(node), node.end, textOf(node)];
        const line = text.slice(0, start).split('\n').length;
        for (const after of by) if (after !== before) found.push({ file, line, start, end, before, after });
      };
      const visit = (node: Node): void => {
        if (isType(node)) return;
        mutate(node, textOf, replace);
        node.forEachChild(child => {
          visit(child);
          return undefined;
        });
      };
      visit(source);
      return found;
    });
  } finally {
    api.close();
  }
}
