class Branching:
    def forward(x: f32[N], up: bool[], again: bool[]):  # {"x": {"onnx_name": "x:0", "range": (-1.5, 2)}, "again": {"": True}}
        choice = onnx::If(up, x, again, then_branch = "choice.then_branch", else_branch = "choice.else_branch", captured = 2)  # {"stack_trace": "line 1\nline 2 # \"quoted\""}
        return choice  # {"seen": tensor(i64[2], [1, 2])}

    def "choice.then_branch"(x, again):
        abs_1 = onnx::Abs(x)
        return abs_1

    def "choice.else_branch"(x, again):
        if_1 = onnx::If(again, x, then_branch = "odd name.1", else_branch = "plain", captured = 1)
        return if_1

    def "choice.else_branch.odd name.1"(x):  # {"x": {"onnx_name": "x:0"}}
        neg = onnx::Neg(x)  # {"facts": ("neg", [], None)}
        return neg

    def "choice.else_branch.plain"(x):  # {"x": {"onnx_name": "x:0"}}
        exp = onnx::Exp(x)  # {"facts": ("exp", [], None)}
        return exp
