import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { KubeObject, Resource } from '../../src/kubernetes/object.ts';
import type { JsonObject } from '../../src/unknown.ts';

const deploy = join(import.meta.dirname, '../../deploy/istiod');

/** A file of deploy/ that holds one object. */
export const manifest = (file: string): KubeObject => parse(readFileSync(join(deploy, file), 'utf8')) as KubeObject;

export const WEBHOOKS: Resource = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  plural: 'mutatingwebhookconfigurations',
};

export interface Webhook {
  readonly name: string;
  readonly clientConfig: JsonObject & { readonly caBundle?: string };
}

/**
 * The webhooks of deploy/, which ask the process at an address in place of a Service, and wait for it as long as the API server lets any: who is slow
 * is the machine.
 */
export function webhooksAt(address: string): KubeObject & { readonly webhooks: readonly Webhook[] } {
  const { webhooks, ...rest } = manifest('webhook.yaml') as KubeObject & { readonly webhooks: readonly Webhook[] };
  const url = `https://${address}/inject/cluster/east--slash--1/net/n1`;
  return { ...rest, webhooks: webhooks.map(webhook => ({ ...webhook, clientConfig: { url }, timeoutSeconds: 30 })) };
}
