/** Parts that several pages share: text fields and choices of forms, the methods to choose from, and paging links. */
/** @jsxImportSource @kitajs/html */

import { attribute } from "../responses.ts";

export const methodChoices: readonly string[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

interface FieldProps {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  /** The class of the label. */
  readonly kind: "field" | "request-field";
}

interface TextFieldProps extends FieldProps {
  readonly hint: string;
  readonly isRequired?: boolean;
  /** Values that the browser suggests. */
  readonly suggestions?: readonly string[];
}

export function TextField({
  name,
  label,
  value,
  kind,
  hint,
  isRequired = false,
  suggestions = [],
}: TextFieldProps): JSX.Element {
  const list = `known-${name}`;
  return (
    <label class={kind}>
      <span>{label}</span>
      <input
        type="text"
        name={name}
        value={attribute(value)}
        placeholder={hint}
        autocomplete="off"
        spellcheck="false"
        {...(isRequired ? { required: true } : {})}
        {...(suggestions.length > 0 ? { list } : {})}
      />
      {suggestions.length > 0 ? (
        <datalist id={list}>
          {suggestions.map((suggestion) => (
            <option value={attribute(suggestion)}></option>
          ))}
        </datalist>
      ) : (
        ""
      )}
    </label>
  );
}

interface ChoiceProps extends FieldProps {
  readonly choices: readonly (readonly [value: string, name: string])[];
  /** Whether a value has to be chosen, so that "any" is not offered. */
  readonly isRequired?: boolean;
}

/** Keeps the present value selected, even if it is not among the choices: an upstream or a pool may no longer exist. */
export function Choice({ name, label, value, kind, choices, isRequired = false }: ChoiceProps): JSX.Element {
  const isKnown = value === "" || choices.some(([known]) => known === value);
  const offered = isKnown ? choices : [...choices, [value, value] as const];
  return (
    <label class={kind}>
      <span>{label}</span>
      <select name={name}>
        {isRequired ? "" : <option value="">any</option>}
        {offered.map(([known, text]) => (
          <option value={attribute(known)} {...(known === value ? { selected: true } : {})} safe>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Choices whose names are their values. */
export function sameNamed(values: readonly string[]): readonly (readonly [value: string, name: string])[] {
  return values.map((value) => [value, value] as const);
}

interface PagingProps {
  readonly label: string;
  /** Addresses; undefined omits the link. */
  readonly newest?: string | undefined;
  readonly newer?: string | undefined;
  readonly older?: string | undefined;
}

export function Paging({ label, newest, newer, older }: PagingProps): JSX.Element {
  if (newest === undefined && newer === undefined && older === undefined) return "";
  return (
    <nav class="paging" aria-label={label}>
      <PagingLink text="Newest" href={newest} />
      <PagingLink text="Newer" href={newer} rel="prev" />
      <PagingLink text="Older" href={older} rel="next" />
    </nav>
  );
}

interface LinkProps {
  readonly text: string;
  readonly href: string | undefined;
  readonly rel?: "prev" | "next";
}

function PagingLink({ text, href, rel }: LinkProps): JSX.Element {
  if (href === undefined) return "";
  return (
    <a class="button" href={attribute(href)} {...(rel === undefined ? {} : { rel })} safe>
      {text}
    </a>
  );
}
