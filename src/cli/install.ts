import { parseDocument, stringify } from 'yaml';
import { type Arguments, type Io, suggestion, UsageError } from '../command.ts';
import { type Sidecar, sidecars } from '../injection/templates/templates.ts';
import { either, isNamespace } from '../settings/option-values.ts';
import { fieldsOf, isList, type Json, type JsonObject } from '../unknown.ts';
import { DEPLOY, kustomize, mapObject } from './kustomization.ts';

/** What is changed of an installation by one setting. Throws a UsageError where its value makes no sense. */
interface Setting {
  /** What is expected: `NAME`. */
  readonly value: string;
  apply(objects: readonly JsonObject[], value: string): readonly JsonObject[];
}

const nameOf = (object: JsonObject): string => String(fieldsOf(object['metadata'])['name']);
const wrong = (setting: string, value: string, expected: string): UsageError =>
  new UsageError(`--set: ${setting}: '${value}'; expected ${expected}`);

/** The ConfigMap with another text in the place of one of its own. */
const withText = (name: string, key: string, change: (text: string) => string) => (object: JsonObject) => {
  const data = fieldsOf(object['data']);
  return object['kind'] === 'ConfigMap' && nameOf(object) === name
    ? { ...object, data: { ...data, [key]: change(String(data[key])) } }
    : object;
};

const one = (value: string, known: readonly string[], setting: string): string => {
  if (known.includes(value)) return value;
  throw wrong(setting, value, `${either(known)}${suggestion(value, known)}`);
};

/** What has a name of its own in each revision, as Istio's chart names it. */
function nameIn(revision: string, kind: Json | undefined, name: string): string {
  if (/^(Namespace|CustomResourceDefinition)$/.test(String(kind))) return name;
  const found = /^(istiod-clusterrole)(-.*)$/.exec(name);
  return found ? `${found[1]}-${revision}${found[2]}` : `${name}-${revision}`;
}

const pilot = 'pilot';

/**
 * Labels and selectors of the revision's own: the Service of another one selects none of its pods. What is no pod has the label of Istio's chart in
 * every revision: by it Istio's ServiceMonitor finds the Service.
 */
function labelsIn(revision: string, object: JsonObject, path: readonly string[]): JsonObject {
  const { istio, ...others } = object;
  const field = path.at(-1);
  if (field === 'labels' && 'istio.io/rev' in object) {
    const isPod = path.includes('template');
    return {
      ...others,
      'istio.io/rev': revision,
      ...(istio && { istio: isPod && istio === pilot ? 'istiod' : istio }),
    };
  }
  if (istio === pilot && (field === 'matchLabels' || field === 'selector'))
    return { ...others, app: 'istiod', 'istio.io/rev': revision };
  return object;
}

const hasName = (object: JsonObject): object is JsonObject & { readonly name: string } =>
  typeof object['name'] === 'string';

/** References to what is called otherwise in the revision. */
function referencesIn(revision: string, object: JsonObject, path: readonly string[]): JsonObject {
  const field = path.at(-1) ?? '';
  const isReference =
    /^(roleRef|subjects|scaleTargetRef)$/.test(field) || path.slice(-2).join('.') === 'clientConfig.service';
  if (isReference && hasName(object)) return { ...object, name: nameIn(revision, object['kind'], object.name) };
  if (typeof object['serviceAccountName'] === 'string')
    return { ...object, serviceAccountName: nameIn(revision, 'ServiceAccount', object['serviceAccountName']) };
  const { resourceNames } = object;
  if (Array.isArray(resourceNames)) {
    const maps = ['istio', 'istio-sidecar-injector'];
    return {
      ...object,
      resourceNames: resourceNames.map(name => (maps.includes(name) ? `${name}-${revision}` : name)),
    };
  }
  if (field === 'matchExpressions' && object['key'] === 'istio.io/rev' && isList(object['values']))
    return { ...object, values: [revision] };
  return object;
}

/** Only the default revision injects where nobody names a revision. */
const webhooksIn = (object: JsonObject): JsonObject => {
  const { webhooks } = object;
  return Array.isArray(webhooks)
    ? { ...object, webhooks: webhooks.filter(webhook => hasName(webhook) && webhook.name.startsWith('rev.')) }
    : object;
};

/** A Service's name has 63 letters at most, `istiod-canary` too. */
const LONGEST_REVISION = 63 - 'istiod-'.length;

/** A control plane beside others: everything of it but the namespace and the CRDs, which they share, has names of its own. */
function inRevision(objects: readonly JsonObject[], revision: string): readonly JsonObject[] {
  if (!isNamespace(revision) || revision.length > LONGEST_REVISION)
    throw wrong('revision', revision, `a name such as canary or 1-31, of at most ${LONGEST_REVISION} letters`);
  if (revision === 'default') return objects;
  const address = (text: string) => text.replaceAll(/\bistiod\.(?=[\w-]+\.svc)/g, `istiod-${revision}.`);
  const told = withText('istio-sidecar-injector', 'values', text =>
    text.replace('"revision": ""', `"revision": "${revision}"`),
  );
  return objects.map(object => {
    if (object['kind'] === 'CustomResourceDefinition') return object;
    const texts = told(withText('istio', 'mesh', address)(object));
    const made = mapObject(webhooksIn(texts), (inner, path) => {
      const { args } = inner;
      const serves = path.at(-1) === 'containers' && Array.isArray(args) && args[0] === 'serve';
      const container = serves ? { ...inner, args: [...args, '--revision', revision] } : inner;
      return labelsIn(revision, referencesIn(revision, container, path), path);
    });
    const metadata = fieldsOf(made['metadata']);
    return { ...made, metadata: { ...metadata, name: nameIn(revision, made['kind'], nameOf(made)) } };
  });
}

/** What a container runtime takes for an image: a registry, a path in small letters, a tag and a digest. */
const IMAGE =
  /^(?:[a-zA-Z0-9][a-zA-Z0-9.-]*(?::\d{1,5})?\/)?[a-z0-9]+(?:(?:\/|[._]|__|-+)[a-z0-9]+)*(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;

function withImage(objects: readonly JsonObject[], image: string): readonly JsonObject[] {
  if (!IMAGE.test(image)) throw wrong('image', image, 'an image such as registry.example/pilotlight:0.1.0');
  return objects.map(object =>
    object['kind'] === 'Deployment'
      ? mapObject(object, (inner, path) => (path.at(-1) === 'containers' ? { ...inner, image } : inner))
      : object,
  );
}

function withTemplate(objects: readonly JsonObject[], template: string): readonly JsonObject[] {
  const { sidecar, gateway } = sidecars[one(template, Object.keys(sidecars), 'defaultTemplate') as Sidecar];
  return objects.map(
    withText('istio-sidecar-injector', 'config', text => {
      const config = parseDocument(text);
      for (const [alias, names] of Object.entries({ sidecar, gateway }))
        config.setIn(['aliases', alias], config.createNode(names, { flow: true }));
      return config.toString({ lineWidth: 0, flowCollectionPadding: false });
    }),
  );
}

const MODES = ['STRICT', 'PERMISSIVE', 'DISABLE'];

const namespaceOf = (objects: readonly JsonObject[]): string =>
  objects.filter(({ kind }) => kind === 'Namespace').map(nameOf)[0] ?? '';

const mutualTls = (mode: string, namespace: string): JsonObject => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name: 'default', namespace },
  spec: { mtls: { mode } },
});

/** What people change, in the order in which it is changed: names last. */
const settings: Readonly<Record<string, Setting>> = {
  image: { value: 'IMAGE', apply: withImage },
  defaultTemplate: { value: 'envoy|istio-proxy', apply: withTemplate },
  revision: { value: 'NAME', apply: inRevision },
  mtlsMode: {
    value: MODES.join('|'),
    apply: (objects, mode) => [...objects, mutualTls(one(mode, MODES, 'mtlsMode'), namespaceOf(objects))],
  },
};

/** `revision=canary,image=…` by name. Throws a UsageError that lists the settings. */
function readSettings(text: string): ReadonlyMap<string, string> {
  const names = Object.keys(settings);
  const all = names.map(name => `${name}=${settings[name]?.value}`).join(', ');
  return new Map(
    text.split(',').map(pair => {
      const at = pair.indexOf('=');
      const name = at < 0 ? pair : pair.slice(0, at);
      const value = pair.slice(name.length + 1);
      if (!Object.hasOwn(settings, name))
        throw new UsageError(`--set: '${name}' is no setting${suggestion(name, names)}; there are ${all}`);
      if (!value) throw new UsageError(`--set: ${name} needs a value; there are ${all}`);
      return [name, value];
    }),
  );
}

/** Namespaces and CRDs first: what comes after is in the one and of the others. */
const rank = ({ kind }: JsonObject): number => ['Namespace', 'CustomResourceDefinition'].indexOf(String(kind)) >>> 0;

/** The objects of an installation with these settings, `revision=canary,mtlsMode=STRICT`. Throws a UsageError. */
export async function installation(set: string | undefined): Promise<readonly JsonObject[]> {
  const given = set === undefined ? new Map<string, string>() : readSettings(set);
  const objects = await kustomize(DEPLOY);
  const made = Object.entries(settings).reduce((all, [name, setting]) => {
    const value = given.get(name);
    return value === undefined ? all : setting.apply(all, value);
  }, objects);
  return made.toSorted((a, b) => rank(a) - rank(b));
}

/** `pilotlight install`. Resolves to the exit code; rejects with a UsageError. */
export async function run(args: Arguments, io: Io): Promise<number> {
  const objects = await installation(args.options['set']);
  io.out(objects.map(object => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false })).join('---\n'));
  if (objects.some(({ kind }) => kind === 'PeerAuthentication'))
    io.err('note: where the CRDs are new, kubectl apply takes the PeerAuthentication the second time only\n');
  return 0;
}
