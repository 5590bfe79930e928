/** How acts are called: on their buttons, over their confirmations, and when they are done. */

import type { ActionForm } from "./action-form.ts";

interface CommandText {
  /** On a button. */
  readonly verb: string;
  /** Over a confirmation and on its button. */
  readonly order: (names: string) => string;
  /** "api-2 is draining", "3 upstreams are draining" */
  readonly done: (names: string, isOne: boolean) => string;
}

const weightText = (weight: ActionForm["weight"]) =>
  typeof weight === "number" ? `weight ${weight}` : "the configured weight";

const commandTexts = {
  ready: {
    verb: "Ready",
    order: (names) => `Make ${names} ready`,
    done: (names, isOne) => `${names} ${isOne ? "is" : "are"} ready`,
  },
  drain: {
    verb: "Drain",
    order: (names) => `Drain ${names}`,
    done: (names, isOne) => `${names} ${isOne ? "is" : "are"} draining`,
  },
  maintenance: {
    verb: "Maintenance",
    order: (names) => `Put ${names} in maintenance`,
    done: (names, isOne) => `${names} ${isOne ? "is" : "are"} in maintenance`,
  },
  weight: {
    verb: "Weight",
    order: (names) => `Set the weight of ${names}`,
    done: (names, isOne) => `${names} ${isOne ? "has" : "have"}`,
  },
  remove: {
    verb: "Remove",
    order: (names) => `Remove ${names}`,
    done: (names, isOne) => `${names} ${isOne ? "leaves" : "leave"}`,
  },
  cut: {
    verb: "Cut what is left",
    order: (names) => `Cut what is left on ${names}`,
    done: (names) => `What was left on ${names} is cut`,
  },
} as const satisfies Readonly<Record<ActionForm["action"], CommandText>>;

export function verbOf(action: ActionForm["action"]): string {
  return commandTexts[action].verb;
}

export function commandText({ action, ids }: Pick<ActionForm, "action" | "ids">): string {
  return commandTexts[action].order(namesOf(ids));
}

export function doneText(
  { action, weight }: Pick<ActionForm, "action" | "weight">,
  ids: readonly string[],
): string {
  const done = commandTexts[action].done(namesOf(ids), ids.length === 1);
  return action === "weight" ? `${done} ${weightText(weight)}` : done;
}

/** "api-2", "3 upstreams" */
export function namesOf(ids: readonly string[]): string {
  return ids.length === 1 ? (ids[0] ?? "") : `${ids.length} upstreams`;
}
