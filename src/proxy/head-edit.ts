/** Changes to the header fields of a request or a response, the same for both engines; and how names are compared. */

export type Field = readonly [name: string, value: string];

/** What changes in a head. First fields are removed, then the default ones added, then the others. */
export interface HeadEdit {
  /** Path and query for the upstream; by default as they came. */
  readonly target?: string;
  /** The Host of the upstream's request; by default the client's. */
  readonly host?: string;
  /** Names of fields that end here. */
  readonly removed: NameSet;
  /** Added where the head has no field of the name. */
  readonly defaults: readonly Field[];
  /** Added in any case, in their order, behind the kept ones. */
  readonly added: readonly Field[];
}

export interface NameSet {
  /** @param name in any case */
  has(name: string): boolean;
}

/**
 * The name as servers of the CGI family read it (RFC 3875 section 4.1.18): letter case does not count, and every character
 * but letters and digits is the same one. `X-User`, `x_user` and `X.User` are one variable there.
 */
export function foldedName(name: string): string {
  return name.toLowerCase().replace(/[^a-z\d]/g, "-");
}

/** Names of request fields, in every spelling that a server may take for them. A name that ends with `*` is a prefix. */
export class FoldedNames implements NameSet {
  readonly #names = new Set<string>();
  readonly #prefixes: string[] = [];

  constructor(names: Iterable<string> = []) {
    for (const name of names) this.add(name);
  }

  add(name: string): void {
    if (name.endsWith("*")) this.#prefixes.push(foldedName(name.slice(0, -1)));
    else this.#names.add(foldedName(name));
  }

  get isEmpty(): boolean {
    return this.#names.size + this.#prefixes.length === 0;
  }

  has(name: string): boolean {
    const folded = foldedName(name);
    return this.#names.has(folded) || this.#prefixes.some((prefix) => folded.startsWith(prefix));
  }
}

/** Names of response fields, in any case. A name that ends with `*` is a prefix. */
export class PlainNames implements NameSet {
  readonly #names = new Set<string>();
  readonly #prefixes: string[] = [];

  constructor(names: Iterable<string> = []) {
    for (const name of names) this.add(name);
  }

  add(name: string): void {
    const lower = name.toLowerCase();
    if (lower.endsWith("*")) this.#prefixes.push(lower.slice(0, -1));
    else this.#names.add(lower);
  }

  get isEmpty(): boolean {
    return this.#names.size + this.#prefixes.length === 0;
  }

  has(name: string): boolean {
    const lower = name.toLowerCase();
    return this.#names.has(lower) || this.#prefixes.some((prefix) => lower.startsWith(prefix));
  }
}

/** Fields that frame a message or belong to one connection: no edit touches them. */
const framingNames: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** @param name in any case */
export function isFraming(name: string): boolean {
  return framingNames.has(name.toLowerCase());
}

const validName = /^[!#$%&'*+.^_`|~\da-z-]+$/i;
const invalidValue = /[^\t\x20-\x7e\x80-\xff]/;

/**
 * @returns the field
 * @throws for a name or value that no head may contain: it would become another field, or another message
 */
export function checkedField(name: string, value: string): Field {
  if (!validName.test(name) || isFraming(name))
    throw new Error(`Cannot write the header field ${JSON.stringify(name)}: it is not allowed here`);
  if (invalidValue.test(value))
    throw new Error(`Cannot write the header field ${name}: its value has characters that no field may have`);
  return [name, value];
}

/** What filters change in a head. */
export interface FieldEdit {
  readonly removed: NameSet;
  readonly added: readonly Field[];
}

/** The names of both sets. */
export function eitherOf(one: NameSet, other: NameSet): NameSet {
  return { has: (name) => one.has(name) || other.has(name) };
}

/**
 * The edit of a route behind that of its filters: what the route removes is removed from the filters' fields too, and a field
 * of a filter is one that a default need not be added to.
 */
export function mergedEdit(route: HeadEdit | undefined, filters: FieldEdit): HeadEdit {
  if (!route) return { ...filters, defaults: [] };
  const { removed, defaults } = route;
  const kept = filters.added.filter(([name]) => !removed.has(name));
  const present = new Set(kept.map(([name]) => foldedName(name)));
  return {
    ...route,
    removed: eitherOf(removed, filters.removed),
    defaults: defaults.filter(([name]) => !present.has(foldedName(name))),
    added: [...kept, ...route.added],
  };
}

/** How names of fields are compared: in every spelling for requests, by the exact name for responses. */
export type NameForm = (name: string) => string;

export const responseForm: NameForm = (name) => name.toLowerCase();

/** The default fields of which a head has none. @param names of the fields that stay */
export function missingDefaults(
  defaults: readonly Field[],
  names: Iterable<string>,
  form: NameForm,
): readonly Field[] {
  if (defaults.length === 0) return defaults;
  const present = new Set<string>();
  for (const name of names) present.add(form(name));
  return defaults.filter(([name]) => !present.has(form(name)));
}

/** The fields of a head after an edit, where they are a list: those of a response that the balancer makes. */
export function editedFields(
  fields: readonly Field[],
  { removed, defaults, added }: HeadEdit,
): readonly Field[] {
  const kept = fields.filter(([name]) => isFraming(name) || !removed.has(name));
  const names = kept.map(([name]) => name);
  return [...kept, ...missingDefaults(defaults, names, responseForm), ...added];
}
