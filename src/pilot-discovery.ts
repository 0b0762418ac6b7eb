#!/usr/bin/env node
// `pilot-discovery request GET debug/syncz`, by Istio's name in the image: what `istioctl bug-report` runs in the container to collect the debug pages.
// As istiod's it prints the page, and says of a status of 400 and more, but 404, that the request failed.

const MONITORING = 'http://127.0.0.1:15014/';

async function request(method: string, path: string, body: string | undefined): Promise<void> {
  const answer = await fetch(new URL(path.replace(/^\//, ''), MONITORING), { method, ...(body && { body }) });
  const text = await answer.text();
  if (answer.status >= 400 && answer.status !== 404)
    throw new Error(`received unsuccessful status code ${answer.status}: ${text}`);
  process.stdout.write(`${text}\n`);
}

const [command, method, path, body] = process.argv.slice(2);
try {
  if (command !== 'request' || !method || !path)
    throw new Error('the usage is: pilot-discovery request METHOD PATH [BODY]');
  await request(method, path, body);
} catch (error) {
  const { message, cause } = error as Error;
  process.stderr.write(`pilot-discovery: ${message}${cause instanceof Error ? `: ${cause.message}` : ''}\n`);
  process.exitCode = 1;
}
