/** Changes to the header fields of requests and responses, as a route lists them: remove, set, default, add. */

import type { Upstream } from "../pool/upstream.ts";
import type { FilteredRequest } from "../proxy/filter.ts";
import {
  checkedField,
  type Field,
  foldedName,
  FoldedNames,
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
  const removed = { has: (name: string) => names.has(name) && isRemovableFromRequest(name) };
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

type FieldTemplate = readonly [name: string, value: Template];

class EditedFields {
  readonly #removed: NameSet;
  readonly #form: NameForm;
  readonly #set: readonly FieldTemplate[];
  readonly #defaults: readonly FieldTemplate[];
  readonly #added: readonly FieldTemplate[];

  constructor(settings: HeaderEditSettings, removed: NameSet, form: NameForm, pool: string | undefined) {
    const compiled = (fields: Readonly<Record<string, string>> = {}): readonly FieldTemplate[] =>
      Object.entries(fields).map(([name, value]) => [name, compileTemplate(value, { pool })]);
    this.#removed = removed;
    this.#form = form;
    this.#set = compiled(settings.set);
    this.#defaults = compiled(settings.default);
    this.#added = compiled(settings.add);
  }

  edit(request: FilteredRequest, upstream: Upstream | undefined): HeadEdit {
    const write = (fields: readonly FieldTemplate[]): readonly Field[] =>
      fields.flatMap(([name, template]) => {
        const value = template.write(request, upstream);
        return value === "" && template.isVariable ? [] : [checkedField(name, value)];
      });
    const set = write(this.#set);
    const isSet = new Set(set.map(([name]) => this.#form(name)));
    const defaults = write(this.#defaults).filter(([name]) => !isSet.has(this.#form(name)));
    return { removed: this.#removed, defaults, added: [...set, ...write(this.#added)] };
  }
}
