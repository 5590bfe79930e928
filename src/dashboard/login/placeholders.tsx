/** What differs from viewer to viewer: pages are drawn alike for all, with marks that are filled in as they leave. */
/** @jsxImportSource @kitajs/html */

import type { Role } from "../../access/accounts.ts";
import { newSecret } from "../../lib/secrets.ts";
import { attribute } from "../responses.ts";

/** Nobody can write one into a name that is shown. */
const unguessable = newSecret();

/** The live stream goes out as it is, alike for all: there the page's script knows the token. */
export const placeholders = {
  csrf: `csrf-${unguessable}`,
  role: `role-${unguessable}`,
  who: `<!--who-${unguessable}-->`,
} as const;

/** Somebody who is logged in. */
export interface Person {
  readonly name: string;
  readonly role: Role;
  /** Bound to the session. */
  readonly csrf: string;
}

/** The field that every form needs that changes something. */
export function CsrfField(): JSX.Element {
  return <input type="hidden" name="csrf" value={placeholders.csrf} />;
}

/** A page or fragment as this person gets it; undefined where nobody logs in. */
export function fillPlaceholders(markup: string, person: Person | undefined): string {
  const who = person ? String(<Who person={person} />) : "";
  return markup
    .replaceAll(placeholders.who, () => who)
    .replaceAll(placeholders.role, person?.role ?? "")
    .replaceAll(placeholders.csrf, person?.csrf ?? "");
}

function Who({ person: { name, role } }: { readonly person: Person }): JSX.Element {
  return (
    <form method="post" action="/logout" class="who">
      <CsrfField />
      <span class="who-name" title={attribute(name)} safe>
        {name}
      </span>
      <span class="who-role" safe>
        {role}
      </span>
      <button type="submit">Log out</button>
    </form>
  );
}
