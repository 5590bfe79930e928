/** Changes to the header fields of a request or a response, the same for both engines; and how names are compared. */

import { textMemo } from "../lib/text-memo.ts";

export type Field = readonly [name: string, value: string];

export const noFields: readonly Field[] = Object.freeze([]);

/** What changes in a head. First fields are removed, then the default ones added, then the others. */
export interface HeadEdit {
  /** Path and query for the upstream; by default as they came. */
  readonly target?: string | undefined;
  /** The Host of the upstream's request; by default the client's. */
  readonly host?: string | undefined;
  /** Names of fields that end here. */
  readonly removed: NameSet;
  /** Added where the head has no field of the name. */
  readonly defaults: readonly Field[];
  /** Added in any case, in their order, behind the kept ones. */
  readonly added: readonly Field[];
}

/** How names of fields are compared: in every spelling for requests, by the exact name for responses. */
export type NameForm = (name: string) => string;

/**
 * The name as servers of the CGI family read it (RFC 3875 section 4.1.18): letter case does not count, and every character
 * but letters and digits is the same one. `X-User`, `x_user` and `X.User` are one variable there.
 */
export const foldedName: NameForm = (name) => name.toLowerCase().replace(/[^a-z\d]/g, "-");

export const responseForm: NameForm = (name) => name.toLowerCase();

/** For each byte of a name, the byte that it has in a form. */
function bytesIn(form: NameForm): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => form(String.fromCharCode(byte)).charCodeAt(0));
}

const foldedBytes = bytesIn(foldedName);
const plainBytes = bytesIn(responseForm);

export interface NameSet {
  /** @param name in any case */
  has(name: string): boolean;
  /** The same for the name bytes[from..to), without making a string of it. */
  hasBytes(bytes: Buffer, from: number, to: number): boolean;
}

/** Names in one form. One that ends with `*` is a prefix. */
abstract class ComparedNames implements NameSet {
  readonly #form: NameForm;
  readonly #table: Uint8Array;
  readonly #names: string[] = [];
  readonly #prefixes: string[] = [];
  /** A bit for each length of a name, modulo 32: most fields of a head need no other look. */
  #lengths = 0;

  /** @param form for names that are usual  @param table of the form */
  constructor(form: NameForm, table: Uint8Array, names: Iterable<string>) {
    this.#form = form;
    this.#table = table;
    for (const name of names) this.#add(name);
  }

  #add(name: string): void {
    const isPrefix = name.endsWith("*");
    if (isPrefix) this.#prefixes.push(this.#form(name.slice(0, -1)));
    else this.#names.push(this.#form(name));
    this.#lengths |= isPrefix ? ~0 : 1 << (name.length & 31);
  }

  has(name: string): boolean {
    const formed = this.#form(name);
    return this.#names.includes(formed) || this.#prefixes.some((prefix) => formed.startsWith(prefix));
  }

  hasBytes(bytes: Buffer, from: number, to: number): boolean {
    const length = to - from;
    if ((this.#lengths & (1 << (length & 31))) === 0) return false;
    for (let i = 0; i < this.#names.length; i++) {
      const name = this.#names[i] as string;
      if (name.length === length && startsWith(this.#table, name, bytes, from)) return true;
    }
    for (let i = 0; i < this.#prefixes.length; i++) {
      const prefix = this.#prefixes[i] as string;
      if (prefix.length <= length && startsWith(this.#table, prefix, bytes, from)) return true;
    }
    return false;
  }
}

function startsWith(table: Uint8Array, text: string, bytes: Uint8Array, from: number): boolean {
  for (let i = 0; i < text.length; i++)
    if (table[bytes[from + i] as number] !== table[text.charCodeAt(i)]) return false;
  return true;
}

/** Filters hide and set the same few names in each request. */
const usualFoldedName = textMemo(foldedName);
const usualPlainName = textMemo(responseForm);

/** Names of request fields, in every spelling that a server may take for them. */
export class FoldedNames extends ComparedNames {
  constructor(names: Iterable<string> = []) {
    super(usualFoldedName, foldedBytes, names);
  }
}

/** Names of response fields, in any case. */
export class PlainNames extends ComparedNames {
  constructor(names: Iterable<string> = []) {
    super(usualPlainName, plainBytes, names);
  }
}

/** The set of one name. Filters and configurations have the same few in each request: those are made once. */
export const foldedNamed: (name: string) => NameSet = textMemo((name) => new FoldedNames([name]));
export const plainNamed: (name: string) => NameSet = textMemo((name) => new PlainNames([name]));

/** The names of a set that a test lets pass, which is asked for those of the set only. */
export function restricted(set: NameSet, mayBe: (name: string) => boolean): NameSet {
  return {
    has: (name) => set.has(name) && mayBe(name),
    hasBytes: (bytes, from, to) => set.hasBytes(bytes, from, to) && mayBe(bytes.toString("latin1", from, to)),
  };
}

/** Fields that frame a message or belong to one connection: no edit touches them. */
export const framingFields: NameSet = new PlainNames([
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
  return framingFields.has(name);
}

const validName = /^[!#$%&'*+.^_`|~\da-z-]+$/i;
const invalidValue = /[^\t\x20-\x7e\x80-\xff]/;
const mayBeWritten = textMemo((name) => validName.test(name) && !isFraming(name));

/**
 * @returns the field
 * @throws for a name or value that no head may contain: it would become another field, or another message
 */
export function checkedField(name: string, value: string): Field {
  if (!mayBeWritten(name))
    throw new Error(`Cannot write the header field ${JSON.stringify(name)}: it is not allowed here`);
  return fieldWithValue(name, value);
}

/** The same for a name that was checked before. */
export function fieldWithValue(name: string, value: string): Field {
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
  return {
    has: (name) => one.has(name) || other.has(name),
    hasBytes: (bytes, from, to) => one.hasBytes(bytes, from, to) || other.hasBytes(bytes, from, to),
  };
}

/**
 * The edit of a route behind that of its filters: what the route removes is removed from the filters' fields too, and a field
 * of a filter is one that a default need not be added to.
 */
export function mergedEdit(route: HeadEdit | undefined, filters: FieldEdit): HeadEdit {
  if (!route) return { removed: filters.removed, defaults: noFields, added: filters.added };
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
