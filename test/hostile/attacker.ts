// One attack, in a process of its own: node attacker.ts NAME ADDRESS HTTP TLS SOURCE SHARE SECONDS. Exits when the time is up.
import { attacks } from './attacks.ts';

const [name = '', address = '', http = '', tls = '', source = '', share = '1', seconds = '10'] = process.argv.slice(2);
const attack = attacks[name];
if (!attack) throw new Error(`no attack ${name}; there are ${Object.keys(attacks).join(', ')}`);
// What the server does to its connections may show in ways that no attack listens for.
process.on('uncaughtException', () => {});
const until = Date.now() + Number(seconds) * 1000;
await Promise.race([
  attack.run({ address, http, tls, source, share: Number(share), until }),
  new Promise(resolve => setTimeout(resolve, Number(seconds) * 1000 + 2_000)),
]);
process.exit(0);
