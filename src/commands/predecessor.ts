/** The process before this one, seen from the process that takes over: asks for its state, then for its files and ports. */

import { version } from "../config/config.ts";
import {
  handoverProtocol,
  type Predecessor,
  type PredecessorChannel,
  type PredecessorState,
  type Release,
} from "../handover/messages.ts";
import { UsageError } from "./running.ts";

/**
 * Resolves with the process before, or undefined if it has died: its sockets are here, and its files are free.
 * Rejects with a {@link UsageError} if the two do not understand each other.
 */
export async function meetPredecessor(channel: PredecessorChannel): Promise<Predecessor | undefined> {
  const met = Promise.withResolvers<PredecessorState | undefined>();
  const released = Promise.withResolvers<Release>();
  channel.follow(
    (message) => {
      if (message.kind === "state") met.resolve(message);
      else released.resolve(message);
    },
    () => {
      met.resolve(undefined);
      void met.promise.then((state) =>
        released.resolve({ intents: state?.intents ?? [], events: [], sessions: [], reload: false }),
      );
    },
  );
  await channel.send({ kind: "hello" });
  const state = await met.promise;
  if (!state) return undefined;
  if (state.protocol !== handoverProtocol) {
    const why = `version ${state.version} hands over by protocol ${state.protocol}, and version ${version} takes over by ${handoverProtocol}; restart instead`;
    throw new UsageError({ action: "take over", why });
  }
  return {
    state,
    async ready() {
      await channel.send({ kind: "ready", version });
      return released.promise;
    },
    hasChanged: ({ intents }) => JSON.stringify(intents) !== JSON.stringify(state.intents),
    serving: () => void channel.send({ kind: "serving", version }),
  };
}
