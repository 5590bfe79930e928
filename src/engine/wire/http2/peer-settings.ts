/** The settings that the peer of a connection has sent (RFC 9113 section 6.5). */

import { maxTableBytes } from "./field-list.ts";
import {
  ConnectionError,
  defaultWindowBytes,
  errorCode,
  maxFrameBytes,
  maxWindowBytes,
  setting,
} from "./protocol.ts";

const settingBytes = 6;

/** The largest frame size that a peer may allow. */
const largestFrameBytes = 2 ** 24 - 1;

export class PeerSettings {
  initialWindowBytes = defaultWindowBytes;
  maxStreams = Infinity;
  /** RFC 8441. */
  enablesConnectProtocol = false;
  /** The peer wants a smaller table than the default: our next block must say so (RFC 7541 section 4.2). */
  mustShrinkTable = false;

  /** @returns by how much the window of each open stream grows */
  read(payload: Buffer): number {
    if (payload.length % settingBytes !== 0)
      throw new ConnectionError(errorCode.frameSize, "SETTINGS of another size");
    const before = this.initialWindowBytes;
    for (let at = 0; at < payload.length; at += settingBytes)
      this.#set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    return this.initialWindowBytes - before;
  }

  #set(name: number, value: number): void {
    switch (name) {
      case setting.headerTableSize:
        this.mustShrinkTable ||= value < maxTableBytes;
        return;
      case setting.enablePush:
        if (value > 1) throw new ConnectionError(errorCode.protocol, "ENABLE_PUSH is 0 or 1");
        return;
      case setting.initialWindowSize:
        if (value > maxWindowBytes)
          throw new ConnectionError(errorCode.flowControl, "INITIAL_WINDOW_SIZE is too large");
        this.initialWindowBytes = value;
        return;
      case setting.maxFrameSize:
        if (value < maxFrameBytes || value > largestFrameBytes)
          throw new ConnectionError(errorCode.protocol, "MAX_FRAME_SIZE is out of range");
        // We send frames of the size that every peer takes.
        return;
      case setting.maxConcurrentStreams:
        this.maxStreams = value;
        return;
      case setting.enableConnectProtocol:
        this.enablesConnectProtocol = value === 1;
    }
  }
}
