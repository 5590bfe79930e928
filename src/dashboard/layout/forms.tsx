/** Every form of the dashboard that changes something is one of these: what all of them need stands here once. */
/** @jsxImportSource @kitajs/html */

import type { Children } from "@kitajs/html";
import { attribute } from "../escape.ts";
import { CsrfField } from "../login/placeholders.tsx";

interface PostFormProps {
  readonly action: string;
  readonly id?: string;
  readonly kind?: string;
  /**
   * What the answer to htmx changes, as a selector; without it the form is the browser's own.
   * What is refused names its own target.
   */
  readonly target?: string;
  /** The role that it takes; whoever has less does not see it. */
  readonly needs?: "operator" | "admin";
  /** Fields that nobody sees. */
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
