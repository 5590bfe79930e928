/** The POST form that every change of the dashboard uses, and hidden fields of all forms. */
/** @jsxImportSource @kitajs/html */

import type { Children } from "@kitajs/html";
import { CsrfField } from "../login/placeholders.tsx";
import { attribute } from "../responses.ts";

interface PostFormProps {
  readonly action: string;
  readonly id?: string;
  readonly kind?: string;
  /**
   * Selector of the element that htmx updates with the response; without it the browser submits the form.
   * Refusals name their own target.
   */
  readonly target?: string;
  /** The role that is required; the form is hidden from lower roles. */
  readonly needs?: "operator" | "admin";
  /** Hidden fields. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly children?: Children;
}

export function PostForm({
  action,
  id,
  kind,
  target,
  needs = "operator",
  fields = {},
  children,
}: PostFormProps): JSX.Element {
  const address = attribute(action);
  const quicker = target && { "hx-post": address, "hx-target": target, "hx-swap": "innerMorph" };
  return (
    <form
      method="post"
      data-needs={needs}
      action={address}
      {...(id === undefined ? {} : { id })}
      {...(kind === undefined ? {} : { class: kind })}
      {...quicker}
    >
      <CsrfField />
      <HiddenFields fields={fields} />
      {children}
    </form>
  );
}

export function HiddenFields({ fields }: { readonly fields: Readonly<Record<string, string>> }): JSX.Element {
  return (
    <>
      {Object.entries(fields).map(([name, value]) => (
        <input type="hidden" name={attribute(name)} value={attribute(value)} />
      ))}
    </>
  );
}
