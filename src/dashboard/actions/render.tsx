/** Confirmations as pages of their own, as the inside of a dialog, or as what replaces it. */
/** @jsxImportSource @kitajs/html */

import { attribute } from "../responses.ts";
import { backTo, type PageLocation } from "../location.ts";
import { markup, Notice, Shell } from "../layout/shell.tsx";
import { AddPanel, type AddPanelProps } from "./add-upstream.tsx";
import { Partial } from "./result.tsx";
import type { Effect } from "../../wording/effect.ts";
import { EffectLines, ConfirmationPanel, type PanelProps, PanelTitle } from "./confirmation.tsx";
import { commandText } from "./command.ts";

/** `part`: what htmx asked for; `partial`: names its own target, so that it is swapped in with any status. */
export type RenderShape = "page" | "part" | "partial";

export function renderPanel(panel: Omit<PanelProps, "inDialog">, shape: RenderShape): string {
  return shaped(
    <ConfirmationPanel {...panel} inDialog={shape !== "page"} />,
    commandText(panel.asked),
    shape,
  );
}

export function renderAdd(panel: Omit<AddPanelProps, "inDialog">, shape: RenderShape): string {
  return shaped(<AddPanel {...panel} inDialog={shape !== "page"} />, "Add an upstream", shape);
}

export function renderEffect(effect: Effect, confirmed: boolean): string {
  return markup(<EffectLines effect={effect} confirmed={confirmed} />);
}

/** Where there is nothing to confirm: the sentence, and the way back. */
export function renderFailure(text: string, shape: RenderShape, location: PageLocation): string {
  if (shape === "page") {
    return shaped(
      <div class="action">
        <PanelTitle text="Nothing was done" inDialog={false} />
        <Notice notice={text} />
        <div class="buttons">
          <a class="button" href={attribute(backTo(location))}>
            Back
          </a>
        </div>
      </div>,
      "Nothing was done",
      shape,
    );
  }
  return markup(
    <Partial target="#notice">
      <Notice notice={text} />
    </Partial>,
  );
}

function shaped(panel: JSX.Element, title: string, shape: RenderShape): string {
  if (shape === "part") return markup(panel);
  if (shape === "partial") return markup(<Partial target="#panel">{panel}</Partial>);
  return markup(
    <Shell title={`${title} · Evenkeel`} here="action">
      <main class="alone">
        <section class="pool">
          {panel}
          <p class="empty" data-lacks="operator">
            It takes an operator to do that: you may look, and change nothing.
          </p>
        </section>
      </main>
    </Shell>,
  );
}
