/** The actions of an upstream's row: the usual one as a button, and a menu with all, and with what leads on. */
/** @jsxImportSource @kitajs/html */

import { verbOf } from "./command.ts";
import { isLate, modeActions, panelForm, WeightForm } from "./menu.tsx";
import { HiddenFields } from "../layout/forms.tsx";
import { Icon } from "../layout/icon.tsx";
import { markup } from "../layout/shell.tsx";
import { locationFields, pageOf } from "../location.ts";
import { anchorOf, attribute } from "../responses.ts";
import type { View } from "../view.ts";
import { modes } from "../../pool/upstream.ts";
import type { UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import type { Action } from "../../wording/effect.ts";

interface RowMenuProps {
  readonly upstream: UpstreamSnapshot;
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
  readonly view: View;
}

interface Rendered {
  /** All that the markup depends on, beside the upstream's name. */
  readonly facts: string;
  readonly html: string;
}

/** By view and upstream: live pages need the actions of every row each second, and they hardly ever change. */
const rendered = new WeakMap<View, Map<string, Rendered>>();

/** Of a view. Discovery may name ever new upstreams. */
const maxRendered = 5_000;

export function actionsCell(props: RowMenuProps): string {
  const { upstream, now, view } = props;
  const { id, mode, weight, weightSet, drain } = upstream;
  const facts = JSON.stringify([mode, weight, weightSet, drain?.leaving, isLate(upstream, now)]);
  const cells = rendered.get(view) ?? new Map<string, Rendered>();
  const known = cells.get(id);
  if (known?.facts === facts) return known.html;
  const html = markup(
    <td role="cell" class="s-acts">
      <QuickActions {...props} />
    </td>,
  );
  if (cells.size >= maxRendered) cells.clear();
  rendered.set(view, cells.set(id, { facts, html }));
  return html;
}

/** Menus are popovers: they need no script, and live updates leave them open. */
function QuickActions(props: RowMenuProps): JSX.Element {
  const { id, mode, drain } = props.upstream;
  const quick = mode === "ready" ? "drain" : "ready";
  const menu = anchorOf("menu", id);
  return (
    <div class="acts">
      <span data-needs="operator">
        <button
          type="submit"
          class="quick"
          form={anchorOf("form", id)}
          name="act"
          value={quick}
          id={anchorOf("quick", id)}
          aria-label={attribute(`${verbOf(quick)} ${id}`)}
          {...(drain?.leaving ? { disabled: true } : {})}
        >
          {verbOf(quick)}
        </button>
      </span>
      <button
        type="button"
        class="dots"
        popovertarget={menu}
        id={`${menu}-button`}
        aria-label={attribute(`More for ${id}`)}
      >
        <Icon name="dots" />
      </button>
      <RowMenu {...props} />
    </div>
  );
}

function RowMenu({ upstream, now, view }: RowMenuProps): JSX.Element {
  const { id, mode, drain } = upstream;
  const location = { page: "overview", view } as const;
  const isLeaving = drain?.leaving === true;
  const subject = new URLSearchParams({ upstream: id });
  return (
    <div class="popover menu" id={anchorOf("menu", id)} popover="auto">
      <h3 safe>{id}</h3>
      <form {...panelForm} id={anchorOf("form", id)} data-needs="operator">
        <HiddenFields fields={{ upstream: id, ...locationFields(location) }} />
        {modes
          .filter((choice) => choice !== mode)
          .map((choice) => (
            <MenuButton act={modeActions[choice]} id={id} isDisabled={isLeaving} />
          ))}
        {isLate(upstream, now) && !isLeaving ? <MenuButton act="cut" id={id} isDire /> : ""}
        <MenuButton act="remove" id={id} isDisabled={isLeaving} />
      </form>
      <div data-needs="operator">
        <WeightForm upstream={upstream} location={location} />
      </div>
      <nav aria-label={attribute(`Pages about ${id}`)}>
        <a href={attribute(pageOf(id))}>Its page</a>
        <a href={attribute(`/history?${subject}&from=-1h`)}>History</a>
        <a href={attribute(`/requests?${subject}&outcome=failed&from=-1h&to=now`)}>Failed requests</a>
      </nav>
    </div>
  );
}

interface MenuButtonProps {
  readonly act: Action;
  readonly id: string;
  readonly isDisabled?: boolean;
  readonly isDire?: boolean;
}

function MenuButton({ act, id, isDisabled = false, isDire = false }: MenuButtonProps): JSX.Element {
  return (
    <button
      type="submit"
      class={isDire ? "dire" : "item"}
      name="act"
      value={act}
      id={anchorOf(act, id)}
      aria-label={attribute(`${verbOf(act)}${act === "cut" ? " on" : ""} ${id}`)}
      {...(isDisabled ? { disabled: true } : {})}
    >
      {verbOf(act)}
    </button>
  );
}
