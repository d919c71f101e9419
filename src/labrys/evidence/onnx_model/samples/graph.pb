Ä
	

Const"serve­

n0Const

n1MatMul

n2PyFunc

n3Identity

n4Const

n5MatMul

n6PyFunc

n7Identity

n8Const

n9MatMul

n10PyFunc

n11Identity