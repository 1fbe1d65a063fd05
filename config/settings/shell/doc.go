// Package shell shows our pages in Plausible's own layout.
//
// Remit: from the page of Plausible that the gate was answered with, and a body
// of ours, make one document and the policy that a browser shall enforce on it.
// Its limit: it asks nobody and serves nothing.
//
// # Two layouts
//
//   - Plausible's: header, menu, theme, styles and scripts of the very version
//     that runs, with the column beside the settings menu replaced by our body
//     and the entry "Webhooks" active. It needs the menu that package menu
//     recognises, in a column "lg:col-span-…" with another one beside it, and
//     no LiveView around them, which would take the column back.
//   - Plain: a small layout of our own with our own styles, for whatever is
//     not recognised and for errors before anybody is let in.
//
// # What a body can rely on
//
//   - It is one element's only content, in a column that may be as narrow as a
//     telephone, with links to its own styles and scripts in it.
//   - Dark is: the root has the class "dark", or it has "pw-plain", the class of
//     the plain layout, and the person prefers dark.
//   - Inline scripts and handlers do not work anywhere, and style attributes not
//     in the plain layout.
//   - Classes and properties of the shell itself begin with pws-.
//
// # The policy
//
// Scripts come from the instance itself, with a nonce for the inline ones of
// Plausible's page, and the hash of each inline handler that it has outside the
// column. Plausible's menus are driven by Alpine, which evaluates attributes: where
// its page has them 'unsafe-eval' is allowed as well, and our body is marked
// x-ignore, so that nothing in it is ever evaluated. Nobody may frame the page.
package shell
