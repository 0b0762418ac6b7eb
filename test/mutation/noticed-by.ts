/** Which tests are to notice a mistake in which files, in steps: dear ones are asked about what the ones before have not noticed. */
export const noticedBy: readonly { readonly files: RegExp; readonly tests: readonly (readonly string[])[] }[] = [
  {
    files: /^src\/xds\//,
    tests: [
      ['frame', 'kept', 'name-set', 'push', 'resource-set', 'subscription', 'unread', 'view'].map(
        name => `test/protocol/${name}.test.ts`,
      ),
      ['push-queue', 'connection', 'ads-server'].map(name => `test/protocol/${name}.test.ts`),
      ['test/scale.test.ts'],
    ],
  },
  {
    files: /^src\/(iptables\/|cli\/iptables)/,
    tests: [
      ['test/iptables/rules.test.ts', 'test/iptables/flags.test.ts'],
      ['test/system/iptables.test.ts', 'test/system/traffic-capture.test.ts'],
    ],
  },
  { files: /^src\/memo\.ts$/, tests: [['test/model/memo.test.ts']] },
  {
    files: /^src\/config\/parse\/virtual-service\.ts$/,
    tests: [['test/config/virtual-service.test.ts'], ['test/golden/golden.test.ts']],
  },
  {
    files: /^src\/config\/parse\/authorization-policy\.ts$/,
    tests: [
      ['test/config/policy.test.ts', 'test/config/authorization-policy.test.ts'],
      ['test/simulation/closed-policies.test.ts'],
    ],
  },
];

/** The steps for a file. */
export function testsOf(file: string): readonly (readonly string[])[] {
  const found = noticedBy.find(({ files }) => files.test(file));
  if (!found)
    throw new Error(
      `which tests are to notice a mistake in ${file}? Say it in test/mutation/noticed-by.ts, or by --tests`,
    );
  return found.tests;
}
