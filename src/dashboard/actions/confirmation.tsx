/** The confirmation of an act: what will happen, why, and the button that does it; a page of its own or a dialog. */
/** @jsxImportSource @kitajs/html */

import { Glyph } from "../layout/widgets.tsx";
import { attribute } from "../responses.ts";
import { backTo, locationFields } from "../location.ts";
import { PostForm } from "../layout/forms.tsx";
import { deadlines, maxReason, needsReason } from "./action-form.ts";
import type { ActionForm } from "./action-form.ts";
import type { Effect } from "../../wording/effect.ts";
import { commandText } from "./command.ts";

export interface PanelProps {
  readonly asked: ActionForm;
  /** Undefined while the balancer cannot be asked. */
  readonly effect: Effect | undefined;
  /** Why it was not done, or cannot be. */
  readonly problem?: string;
  /** Whether it stands in the dialog of a page that lives, or is a page of its own. */
  readonly inDialog: boolean;
}

export function ConfirmationPanel({ asked: form, effect, problem = "", inDialog }: PanelProps): JSX.Element {
  const { action, ids, reason, location } = form;
  const back = attribute(backTo(location, { id: ids.length === 1 ? ids[0] : undefined }));
  const order = commandText(form);
  const isDire = action === "remove" || action === "cut" || (effect?.dangers.length ?? 0) > 0;
  return (
    <PostForm
      action="/actions"
      id="action"
      kind="action"
      {...(inDialog ? { target: "#panel" } : {})}
      fields={{ act: action, ...locationFields(location) }}
    >
      <PanelTitle text={order} inDialog={inDialog} />
      {ids.map((id) => (
        <input type="hidden" name="upstream" value={attribute(id)} />
      ))}
      {ids.length > 1 ? <Names ids={ids} /> : ""}
      {action === "drain" ? <DeadlineField asked={form} inDialog={inDialog} /> : ""}
      {action === "weight" ? <WeightField asked={form} inDialog={inDialog} /> : ""}
      <div id="effect" class="effect" aria-live="polite">
        {effect ? <EffectLines effect={effect} confirmed={form.confirmed} /> : ""}
      </div>
      <ReasonField reason={reason} required={needsReason(form)} />
      <FormProblem text={problem} />
      <div class="buttons">
        <button type="submit" class={isDire ? "main dire" : "main"} safe>
          {order}
        </button>
        <a class="button" href={back} data-close="panel">
          Cancel
        </a>
      </div>
    </PostForm>
  );
}

/** A page of its own has its own first heading. */
export function PanelTitle({ text, inDialog }: { readonly text: string; readonly inDialog: boolean }) {
  return (
    <tag of={inDialog ? "h2" : "h1"} id="panel-title" class="action-title" safe>
      {text}
    </tag>
  );
}

export function FormProblem({ text }: { readonly text: string }): JSX.Element {
  return (
    <div id="action-problem">
      {text === "" ? (
        ""
      ) : (
        <p class="notice" role="alert" safe>
          {text}
        </p>
      )}
    </div>
  );
}

/** What is asked for again whenever a field changes it. */
export function EffectLines({
  effect,
  confirmed,
}: {
  readonly effect: Effect;
  readonly confirmed: boolean;
}): JSX.Element {
  return (
    <>
      <ul>
        {effect.lines.map((line) => (
          <li safe>{line}</li>
        ))}
      </ul>
      {effect.dangers.length > 0 ? (
        <div class="danger" data-tone="bad">
          <Glyph shape="bang" />
          <div>
            {effect.dangers.map((danger) => (
              <p safe>{danger}</p>
            ))}
            <label class="check">
              <input
                type="checkbox"
                name="confirmed"
                value="yes"
                required
                {...(confirmed ? { checked: true } : {})}
              />{" "}
              Yes, I mean it
            </label>
          </div>
        </div>
      ) : (
        ""
      )}
    </>
  );
}

/** More are counted. */
const namesShown = 12;

function Names({ ids }: { readonly ids: readonly string[] }): JSX.Element {
  return (
    <ul class="names">
      {ids.slice(0, namesShown).map((id) => (
        <li safe>{id}</li>
      ))}
      {ids.length > namesShown ? <li safe>{`and ${ids.length - namesShown} more`}</li> : ""}
    </ul>
  );
}

interface FieldProps {
  readonly asked: ActionForm;
  readonly inDialog: boolean;
}

/** What the form says is looked at anew whenever one of these fields changes. */
function refreshedEffect(inDialog: boolean, trigger: string): Readonly<Record<string, string>> {
  if (!inDialog) return {};
  return {
    "hx-get": "/actions/effect",
    "hx-target": "#effect",
    "hx-swap": "innerMorph",
    "hx-include": "#action",
    "hx-trigger": trigger,
  };
}

function DeadlineField({ asked: { deadlineMs }, inDialog }: FieldProps): JSX.Element {
  return (
    <label class="field">
      <span>Should be empty within</span>
      <select name="deadline" {...refreshedEffect(inDialog, "change")}>
        {deadlines.map(({ name, ms }) => (
          <option value={String(ms)} {...(ms === deadlineMs ? { selected: true } : {})}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

function WeightField({ asked: { weight }, inDialog }: FieldProps): JSX.Element {
  return (
    <label class="field">
      <span>
        Weight <span class="quiet">0 to 256; empty goes back to the configured one</span>
      </span>
      <input
        type="number"
        name="weight"
        min="0"
        max="256"
        step="1"
        value={typeof weight === "number" ? String(weight) : ""}
        {...refreshedEffect(inDialog, "input changed delay:200ms")}
      />
    </label>
  );
}

export function ReasonField({
  reason,
  required,
  isFirst = true,
}: {
  readonly reason: string;
  readonly required: boolean;
  /** Whether a dialog begins there. */
  readonly isFirst?: boolean;
}): JSX.Element {
  return (
    <label class="field">
      <span>
        Reason <span class="quiet">{required ? "" : "optional; "}goes into the audit trail</span>
      </span>
      <input
        type="text"
        name="reason"
        value={attribute(reason)}
        maxlength={String(maxReason)}
        autocomplete="off"
        {...(isFirst ? { autofocus: true } : {})}
        {...(required ? { required: true } : {})}
      />
    </label>
  );
}
