/** Renders an action panel as a page, as the content of the dialog, or as an htmx partial that replaces that content. */
/** @jsxImportSource @kitajs/html */

import { attribute } from "../responses.ts";
import { backTo, type PageLocation } from "../location.ts";
import { markup, Notice, Shell } from "../layout/shell.tsx";
import { AddPanel, type AddPanelProps } from "./add-upstream.tsx";
import { Partial } from "./result.tsx";
import type { Effect } from "../../wording/effect.ts";
import { EffectLines, ConfirmationPanel, type PanelProps, PanelTitle } from "./confirmation.tsx";
import { commandText } from "./command.ts";

/** `part`: the content that htmx requested. `partial`: names its target, so htmx swaps it in whatever the status. */
export type RenderShape = "page" | "part" | "partial";

export function renderPanel(panel: Omit<PanelProps, "inDialog">, shape: RenderShape): string {
  return renderAs(
    <ConfirmationPanel {...panel} inDialog={shape !== "page"} />,
    commandText(panel.form),
    shape,
  );
}

export function renderAdd(panel: Omit<AddPanelProps, "inDialog">, shape: RenderShape): string {
  return renderAs(<AddPanel {...panel} inDialog={shape !== "page"} />, "Add upstream", shape);
}

export function renderEffect(effect: Effect, confirmed: boolean): string {
  return markup(<EffectLines effect={effect} confirmed={confirmed} />);
}

/** An action that cannot be confirmed: the error, and on a page a link back. */
export function renderFailure(text: string, shape: RenderShape, location: PageLocation): string {
  if (shape === "page") {
    return renderAs(
      <div class="action">
        <PanelTitle text="Nothing was changed" inDialog={false} />
        <Notice notice={text} />
        <div class="buttons">
          <a class="button" href={attribute(backTo(location))}>
            Back
          </a>
        </div>
      </div>,
      "Nothing was changed",
      shape,
    );
  }
  return markup(
    <Partial target="#notice">
      <Notice notice={text} />
    </Partial>,
  );
}

function renderAs(panel: JSX.Element, title: string, shape: RenderShape): string {
  if (shape === "part") return markup(panel);
  if (shape === "partial") return markup(<Partial target="#panel">{panel}</Partial>);
  return markup(
    <Shell title={`${title} · Evenkeel`} here="action">
      <main class="alone">
        <section class="pool">
          {panel}
          <p class="empty" data-lacks="operator">
            You have read-only access. Ask an operator to make this change.
          </p>
        </section>
      </main>
    </Shell>,
  );
}
