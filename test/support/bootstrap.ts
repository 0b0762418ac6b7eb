import { join } from 'node:path';
import { bootstrap, token } from '../../src/cli/commands.ts';
import { type Command, readArguments } from '../../src/command.ts';

/** What a command prints for these arguments. Throws on what it says on standard error. */
async function printed(command: Command, argv: readonly string[]): Promise<string> {
  let out = '';
  await command.run(readArguments(command, argv), {
    out: text => {
      out += text;
    },
    err: text => {
      throw new Error(text);
    },
    signal: new AbortController().signal,
  });
  return out;
}

/** What `pilotlight bootstrap` prints for these arguments. Throws on what it says on standard error. */
export const bootstrapText = (...argv: readonly string[]): Promise<string> => printed(bootstrap, argv);

/** How the Envoy of a pod is to connect over TLS. */
export interface SecurePlace {
  /** The folder of objects, and that of `serve --ca`. */
  readonly config: string;
  readonly ca: string;
  /** The pod's token is kept here. */
  readonly tokens: string;
  /** Where the control plane serves over TLS. */
  readonly tls: string;
}

/** The file of a pod's token. */
export const tokenFile = ({ tokens }: SecurePlace, pod: string): string => join(tokens, `${pod}-token`);

/** Makes a token for a pod and puts it into its file. */
export async function renewToken(place: SecurePlace, pod: string, ttl = '1h'): Promise<void> {
  const { config, ca } = place;
  await printed(token, ['--config', config, '--ca', ca, '--ttl', ttl, '--out', tokenFile(place, pod), pod]);
}

/** A bootstrap with which the Envoy of a pod connects over TLS, by a token that is made for it. */
export async function secureBootstrap(place: SecurePlace, pod: string, ...argv: readonly string[]): Promise<string> {
  const { config, ca, tls } = place;
  await renewToken(place, pod, '7d');
  const how = ['--secure', '--ca', ca, '--token', tokenFile(place, pod), '--xds-address', tls];
  return bootstrapText('--config', config, ...how, ...argv, pod);
}
