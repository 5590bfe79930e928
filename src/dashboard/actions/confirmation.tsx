/** The confirmation of an operator action, as a page or in a dialog: its effect, its fields and the button. */
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
  readonly form: ActionForm;
  /** Undefined while the admin API is unreachable. */
  readonly effect: Effect | undefined;
  /** Why the action failed or is impossible. */
  readonly problem?: string;
  /** True in the dialog of a live page, false on a separate page. */
  readonly inDialog: boolean;
}

export function ConfirmationPanel({ form, effect, problem = "", inDialog }: PanelProps): JSX.Element {
  const { action, ids, reason, location } = form;
  const back = attribute(backTo(location, { id: ids.length === 1 ? ids[0] : undefined }));
  const title = commandText(form);
  const isDestructive = action === "remove" || action === "cut" || (effect?.dangers.length ?? 0) > 0;
  return (
    <PostForm
      action="/actions"
      id="action"
      kind="action"
      {...(inDialog ? { target: "#panel" } : {})}
      fields={{ act: action, ...locationFields(location) }}
    >
      <PanelTitle text={title} inDialog={inDialog} />
      {ids.map((id) => (
        <input type="hidden" name="upstream" value={attribute(id)} />
      ))}
      {ids.length > 1 ? <Names ids={ids} /> : ""}
      {action === "drain" ? <DeadlineField form={form} inDialog={inDialog} /> : ""}
      {action === "weight" ? <WeightField form={form} inDialog={inDialog} /> : ""}
      <div id="effect" class="effect" aria-live="polite">
        {effect ? <EffectLines effect={effect} confirmed={form.confirmed} /> : ""}
      </div>
      <ReasonField reason={reason} required={needsReason(form)} />
      <FormProblem text={problem} />
      <div class="buttons">
        <button type="submit" class={isDestructive ? "main dire" : "main"} safe>
          {title}
        </button>
        <a class="button" href={back} data-close="panel">
          Cancel
        </a>
      </div>
    </PostForm>
  );
}

/** An h1 on a separate page, which has no other. */
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

/** The part of the form that is fetched again when a field changes the effect. */
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
              I understand the consequences
            </label>
          </div>
        </div>
      ) : (
        ""
      )}
    </>
  );
}

/** Further names are only counted. */
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
  readonly form: ActionForm;
  readonly inDialog: boolean;
}

/** Attributes of a field that fetches the effect again when it changes. */
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

function DeadlineField({ form: { deadlineMs }, inDialog }: FieldProps): JSX.Element {
  return (
    <label class="field">
      <span>Drain deadline</span>
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

function WeightField({ form: { weight }, inDialog }: FieldProps): JSX.Element {
  return (
    <label class="field">
      <span>
        Weight <span class="quiet">0 to 256; empty restores the configured weight</span>
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
  /** Whether the dialog sets its initial focus here. */
  readonly isFirst?: boolean;
}): JSX.Element {
  return (
    <label class="field">
      <span>
        Reason <span class="quiet">{required ? "" : "optional; "}recorded in the audit trail</span>
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
