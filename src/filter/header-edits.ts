/** Changes to the header fields of requests and responses, as a route lists them: remove, set, default, add. */

import type { Upstream } from "../pool/upstream.ts";
import type { FilteredRequest } from "../proxy/filter.ts";
import {
  checkedField,
  type Field,
  foldedName,
  FoldedNames,
  restricted,
  type HeadEdit,
  type NameSet,
  type NameForm,
  PlainNames,
  responseForm,
} from "../proxy/head-edit.ts";
import type { RequestEditor, ResponseEditor } from "../proxy/route.ts";
import { isRemovableFromRequest } from "./settable-fields.ts";
import { compileTemplate, type Template } from "./template.ts";

/** Values may have variables. */
export interface HeaderEditSettings {
  /** Names; with `*` at the end all names that begin so. */
  readonly remove?: readonly string[];
  /** In place of all fields of the name. */
  readonly set?: Readonly<Record<string, string>>;
  /** Where there is no field of the name. */
  readonly default?: Readonly<Record<string, string>>;
  /** Behind those of the name. */
  readonly add?: Readonly<Record<string, string>>;
}

/** Of one route: longer ones would not fit the heads that servers accept. Bytes of the lines as they are configured. */
export const maxWrittenBytes = 8_192;

/** Bytes that the settings write into each head, variables as they are spelt. */
export function writtenBytes({ set, default: defaults, add }: HeaderEditSettings): number {
  const fields = [set, defaults, add].flatMap((map) => Object.entries(map ?? {}));
  return fields.reduce((sum, [name, value]) => sum + name.length + ": \r\n".length + String(value).length, 0);
}

/** Fields of the client end in every spelling that servers read as their name. @param pool of the route, for `${pool}` */
export function createRequestEditor(settings: HeaderEditSettings, pool?: string): RequestEditor {
  const names = new FoldedNames(removedNames(settings));
  const removed = restricted(names, isRemovableFromRequest);
  const fields = new EditedFields(settings, removed, foldedName, pool);
  return { edit: (request) => fields.edit(request, undefined) };
}

/** Fields end by their exact name, in any case. */
export function createResponseEditor(settings: HeaderEditSettings, pool?: string): ResponseEditor {
  return new EditedFields(settings, new PlainNames(removedNames(settings)), responseForm, pool);
}

function removedNames({ remove = [], set = {} }: HeaderEditSettings): readonly string[] {
  return [...remove, ...Object.keys(set)];
}

interface FieldTemplate {
  readonly name: string;
  readonly value: Template;
  /** The whole field, where its value has no variables. */
  readonly constant: Field | undefined;
}

class EditedFields {
  readonly #removed: NameSet;
  readonly #form: NameForm;
  readonly #set: readonly FieldTemplate[];
  readonly #defaults: readonly FieldTemplate[];
  /** Whether a field is both in `set` and in `default`. */
  readonly #mayOverlap: boolean;
  /** Those of `add`. */
  readonly #added: readonly FieldTemplate[];

  constructor(settings: HeaderEditSettings, removed: NameSet, form: NameForm, pool: string | undefined) {
    const compiled = (fields: Readonly<Record<string, string>> = {}): readonly FieldTemplate[] =>
      Object.entries(fields).map(([name, source]) => {
        const value = compileTemplate(source, { pool });
        const { text } = value;
        return { name, value, constant: text === undefined ? undefined : checkedField(name, text) };
      });
    this.#removed = removed;
    this.#form = form;
    this.#set = compiled(settings.set);
    this.#defaults = compiled(settings.default);
    this.#added = compiled(settings.add);
    const setNames = new Set(this.#set.map(({ name }) => form(name)));
    this.#mayOverlap = this.#defaults.some(({ name }) => setNames.has(form(name)));
  }

  edit(request: FilteredRequest, upstream: Upstream | undefined): HeadEdit {
    const written = (templates: readonly FieldTemplate[], fields: Field[]): Field[] => {
      for (const template of templates) {
        const field = template.constant ?? fieldOf(template, request, upstream);
        if (field) fields.push(field);
      }
      return fields;
    };
    const set = written(this.#set, []);
    const defaults = this.#defaults.length === 0 ? none : this.#unset(written(this.#defaults, []), set);
    return { removed: this.#removed, defaults, added: written(this.#added, set) };
  }

  /** The default fields that are not set. */
  #unset(defaults: readonly Field[], set: readonly Field[]): readonly Field[] {
    if (!this.#mayOverlap) return defaults;
    const isSet = new Set(set.map(([name]) => this.#form(name)));
    return defaults.filter(([name]) => !isSet.has(this.#form(name)));
  }
}

const none: readonly Field[] = [];

/** @returns undefined for a variable without a value */
function fieldOf(
  { name, value }: FieldTemplate,
  request: FilteredRequest,
  upstream: Upstream | undefined,
): Field | undefined {
  const text = value.write(request, upstream);
  return text === "" && value.isVariable ? undefined : checkedField(name, text);
}
