/** How large a head may be: HAProxy and NGINX allow about as much. */

export const maxHeadBytes = 16_384;
export const maxTargetBytes = 8_192;
export const maxHeaders = 100;
