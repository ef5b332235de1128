"use strict";
// Sends the page's one form at once; without scripts a person presses its button.
document.getElementById("form-post")?.submit();
