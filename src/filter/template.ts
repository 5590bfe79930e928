/** Texts with variables: parsed and checked once, and written for each request. */

import type { Upstream } from "../pool/upstream.ts";
import type { FilteredRequest } from "../proxy/filter.ts";
import { type ReadVariable, variableNamed, type VariableSource } from "./variables.ts";

/** A piece of a text as it stands there, or the name of a variable. */
export type TemplatePart =
  { readonly text: string; readonly name?: undefined } | { readonly name: string; readonly text?: undefined };

export interface ParsedTemplate {
  readonly parts: readonly TemplatePart[];
  /** Whether a `${` has no `}`. */
  readonly isUnclosed: boolean;
}

/** `${name}` is a variable and `$$` is `$`; every other `$` is itself. */
export function parseTemplate(source: string): ParsedTemplate {
  const parts: TemplatePart[] = [];
  let text = "";
  let isUnclosed = false;
  for (const [whole, name] of source.matchAll(/\$\$|\$\{([^{}]*)\}|\$\{?|[^$]+/g)) {
    if (name !== undefined) {
      if (text !== "") parts.push({ text });
      parts.push({ name });
      text = "";
      continue;
    }
    isUnclosed ||= whole === "${";
    text += whole === "$$" ? "$" : whole;
  }
  if (text !== "") parts.push({ text });
  return { parts, isUnclosed };
}

export interface Template {
  /** The text in one request. Empty only if a variable stands alone and has no value, or the text is empty. */
  write(request: FilteredRequest, upstream?: Upstream): string;
  /** Whether it consists of one variable: then a field without a value is left out. */
  readonly isVariable: boolean;
  /** The whole text, where it has no variables. */
  readonly text: string | undefined;
}

export interface TemplateOptions {
  /** Name of the route's pool, if it has one. */
  readonly pool?: string | undefined;
  /** Writes the value of a variable in the form that it needs; by default as it is. */
  readonly encode?: (value: string, name: string) => string;
  /** The same for what stands between variables. */
  readonly encodeText?: (text: string) => string;
}

/** @throws for an unknown variable, which `check` refuses */
export function compileTemplate(source: string, options: TemplateOptions = {}): Template {
  const { pool, encode, encodeText = (text) => text } = options;
  const pieces = parseTemplate(source).parts.map(({ text, name }) =>
    text === undefined ? readerOf(name, source, encode) : encodeText(text),
  );
  const [only] = pieces;
  if (only === undefined) return constantTemplate("");
  if (pieces.length === 1 && typeof only === "string") return constantTemplate(only);
  return {
    isVariable: pieces.length === 1,
    text: undefined,
    write(request, upstream) {
      const from: VariableSource = { request, upstream, pool };
      let text = "";
      for (const piece of pieces) text += typeof piece === "string" ? piece : piece(from);
      return text;
    },
  };
}

function constantTemplate(text: string): Template {
  return { isVariable: false, text, write: () => text };
}

function readerOf(name: string, source: string, encode: TemplateOptions["encode"]): ReadVariable {
  const read = variableNamed(name);
  if (!read) throw new Error(`Cannot use ${JSON.stringify(source)}: unknown variable ${name}`);
  return encode ? (from) => encode(read(from), name) : read;
}
