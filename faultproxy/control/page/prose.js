"use strict";
/* Sentences of the server, in which names stand between backticks. */

/** Shows them, the names as code. @param {Element} element @param {string} text */
function prose(element, text) {
  element.replaceChildren(...text.split("`").map((part, i) => (i % 2 ? h("code", {}, part) : part)));
}

/** The same where nothing but plain text can stand. @param {string} text */
const plain = (text) => text.replace(/`/g, "");

/** A list of them. @param {Element} element @param {string[]} sentences */
function proseList(element, sentences) {
  element.replaceChildren(...sentences.map((each) => {
    const line = h("li", {});
    prose(line, each);
    return line;
  }));
}
