/** Results as JSON text. */

/**
 * Indented, with a line end. JSON leaves DEL and the C1 controls as they are; a terminal obeys them, so they are escaped:
 * the same value for every reader.
 */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value, null, 2);
  return `${text.replace(/[\u007f-\u009f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;
}
