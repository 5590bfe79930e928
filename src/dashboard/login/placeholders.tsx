/** Placeholders for what differs between viewers: pages are rendered alike for all and filled in when they are sent. */
/** @jsxImportSource @kitajs/html */

import type { Role } from "../../access/accounts.ts";
import { newSecret } from "../../lib/secrets.ts";
import { attribute } from "../responses.ts";

/** Random, so that a name on the page cannot contain a placeholder. */
const unguessable = newSecret();

/** The live stream is sent without filling them in: there the page's script supplies the token. */
export const placeholders = {
  csrf: `csrf-${unguessable}`,
  role: `role-${unguessable}`,
  who: `<!--who-${unguessable}-->`,
} as const;

/** A user who is logged in. */
export interface SignedInUser {
  readonly name: string;
  readonly role: Role;
  /** Derived from the session. */
  readonly csrf: string;
}

/** The hidden field that every form with side effects needs. */
export function CsrfField(): JSX.Element {
  return <input type="hidden" name="csrf" value={placeholders.csrf} />;
}

/** Fills in a page or fragment; the user is undefined if no login is needed. */
export function fillPlaceholders(markup: string, user: SignedInUser | undefined): string {
  const userMenu = user ? String(<UserMenu person={user} />) : "";
  return markup
    .replaceAll(placeholders.who, () => userMenu)
    .replaceAll(placeholders.role, user?.role ?? "")
    .replaceAll(placeholders.csrf, user?.csrf ?? "");
}

function UserMenu({ person: { name, role } }: { readonly person: SignedInUser }): JSX.Element {
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
