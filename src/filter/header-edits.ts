/** Changes to the header fields of requests and responses, as a route lists them: remove, set, default, add. */

import type { Upstream } from "../pool/upstream.ts";
import type { FilteredRequest } from "../proxy/filter.ts";
import {
  checkedField,
  type Field,
  fieldWithValue,
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

interface FieldTemplates {
  readonly templates: readonly FieldTemplate[];
  /** All fields, where none has variables. */
  readonly constant: readonly Field[] | undefined;
}

function compiled(source: Readonly<Record<string, string>> = {}, pool: string | undefined): FieldTemplates {
  const templates = Object.entries(source).map(([name, text]): FieldTemplate => {
    const value = compileTemplate(text, { pool });
    const field = checkedField(name, value.text ?? "");
    return { name, value, constant: value.text === undefined ? undefined : field };
  });
  const constant = templates.flatMap((template) => (template.constant ? [template.constant] : []));
  return { templates, constant: constant.length === templates.length ? constant : undefined };
}

class EditedFields {
  readonly #removed: NameSet;
  readonly #form: NameForm;
  readonly #set: FieldTemplates;
  readonly #defaults: FieldTemplates;
  /** Whether a field is both in `set` and in `default`. */
  readonly #mayOverlap: boolean;
  /** Those of `add`. */
  readonly #added: FieldTemplates;
  /** The whole edit, where no value has variables. */
  readonly #constant: HeadEdit | undefined;

  constructor(settings: HeaderEditSettings, removed: NameSet, form: NameForm, pool: string | undefined) {
    this.#removed = removed;
    this.#form = form;
    this.#set = compiled(settings.set, pool);
    this.#defaults = compiled(settings.default, pool);
    this.#added = compiled(settings.add, pool);
    const setNames = new Set(this.#set.templates.map(({ name }) => form(name)));
    this.#mayOverlap = this.#defaults.templates.some(({ name }) => setNames.has(form(name)));
    const [set, defaults, added] = [this.#set.constant, this.#defaults.constant, this.#added.constant];
    if (set && defaults && added)
      this.#constant = { removed, defaults: this.#unset(defaults, set), added: [...set, ...added] };
  }

  edit(request: FilteredRequest, upstream: Upstream | undefined): HeadEdit {
    if (this.#constant) return this.#constant;
    const set = written(this.#set, request, upstream);
    const defaults = this.#unset(written(this.#defaults, request, upstream), set);
    const added = written(this.#added, request, upstream);
    return { removed: this.#removed, defaults, added: added.length === 0 ? set : [...set, ...added] };
  }

  /** The default fields that are not set. */
  #unset(defaults: readonly Field[], set: readonly Field[]): readonly Field[] {
    if (!this.#mayOverlap) return defaults;
    const isSet = new Set(set.map(([name]) => this.#form(name)));
    return defaults.filter(([name]) => !isSet.has(this.#form(name)));
  }
}

function written(
  { templates, constant }: FieldTemplates,
  request: FilteredRequest,
  upstream: Upstream | undefined,
): readonly Field[] {
  if (constant) return constant;
  const fields: Field[] = [];
  for (const template of templates) {
    const field = template.constant ?? fieldOf(template, request, upstream);
    if (field) fields.push(field);
  }
  return fields;
}

/** @returns undefined for a variable without a value */
function fieldOf(
  { name, value }: FieldTemplate,
  request: FilteredRequest,
  upstream: Upstream | undefined,
): Field | undefined {
  const text = value.write(request, upstream);
  return text === "" && value.isVariable ? undefined : fieldWithValue(name, text);
}
